using System.Runtime.CompilerServices;

namespace JeDi;

/// <summary>What can be said of arguments before anything runs: null, outside of every range, no value of their type.</summary>
static class Arguments
{
    const int MostThreads = 1024;

    /// <exception cref="ArgumentOutOfRangeException">It is outside.</exception>
    public static void Between(long value, long least, long most, string name)
    {
        if (value < least || value > most)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{least} to {most} is possible");
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is no value of its type.</exception>
    public static void Defined<T>(T value, string name)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{typeof(T).Name} has {string.Join(", ", Enum.GetNames<T>())}");
        }
    }

    /// <exception cref="ArgumentException">An entry is null.</exception>
    public static void NoNulls<T>(IReadOnlyList<T>? list, string name)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(list, name);
        if (list.Any(entry => entry is null))
        {
            throw new ArgumentException("an entry is null", name);
        }
    }

    public static void Check(this EngineOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(options.Device, nameof(options.Device));
        Between(options.Threads, 0, MostThreads, nameof(options.Threads));
        NoNulls(options.Loras, nameof(options.Loras));
        NoNulls(options.Embeddings, nameof(options.Embeddings));
        foreach (LoraFile lora in options.Loras)
        {
            ArgumentException.ThrowIfNullOrEmpty(lora.Path, nameof(options.Loras));
            Finite(lora.Weight, nameof(options.Loras));
        }
    }

    public static void Check(SessionShape shape, [CallerArgumentExpression(nameof(shape))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(shape, name);
        Between(shape.References, 0, SessionRun.MostImages, nameof(shape.References));
        Between(shape.Targets, 1, SessionRun.MostImages, nameof(shape.Targets));
        Between(shape.Sets, 1, SessionRun.MostImages, nameof(shape.Sets));
        Between(shape.Width, 0, int.MaxValue, nameof(shape.Width));
        Between(shape.Height, 0, int.MaxValue, nameof(shape.Height));
        Between(shape.Steps, 0, int.MaxValue, nameof(shape.Steps));
        Between(shape.TextChunks, 1, SessionRun.MostTextChunks, nameof(shape.TextChunks));
        if (shape.Guidance is Sampling.GuidanceMode mode)
        {
            Defined(mode, nameof(shape.Guidance));
        }
    }

    /// <exception cref="ArgumentException">It is NaN or infinite.</exception>
    public static void Finite(double? value, string name)
    {
        if (value is double number && !double.IsFinite(number))
        {
            throw new ArgumentException($"{number} is no finite number", name);
        }
    }
}
