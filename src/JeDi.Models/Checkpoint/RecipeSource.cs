using JeDi.Files;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Weights that follow from their names (see <see cref="Recipe"/>), under <c>w:prefix + name</c>: a checkpoint without a file, of any
/// structure, equal in every language.
/// </summary>
public sealed class RecipeSource(string prefix, DType type = DType.F32) : IWeightSource
{
    const int Chunk = 1 << 16;

    /// <inheritdoc/>
    public string Origin => $"recipe '{prefix}'";

    /// <inheritdoc/>
    public bool TryFind(string name, Shape wanted, out Shape stored, out DType storedType)
    {
        stored = wanted;
        storedType = type;
        return true;
    }

    /// <inheritdoc/>
    public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
    {
        string full = $"w:{prefix}{name}";
        (double scale, double offset) = Recipe.OfWeight(full, [.. stored.Select(size => (long)size)]);
        int size = type.Size();
        long begin = from / size;
        long count = destination.Length / size;
        int wave = Environment.ProcessorCount;
        var values = new float[wave][];
        var chunks = new byte[wave][];
        for (long first = 0; first < count; first += (long)wave * Chunk)
        {
            long start = first;
            int tasks = (int)Math.Min(wave, (count - start + Chunk - 1) / Chunk);
            if (tasks == 1)
            {
                Make(0);
            }
            else
            {
                Parallel.For(0, tasks, Make);
            }

            for (int task = 0; task < tasks; task++)
            {
                long at = start + (long)task * Chunk;
                chunks[task].AsSpan(0, (int)Math.Min(Chunk, count - at) * size).CopyTo(destination[(int)(at * size)..]);
            }

            void Make(int task)
            {
                long at = start + (long)task * Chunk;
                Span<float> numbers = (values[task] ??= new float[Math.Min(Chunk, count)]).AsSpan(0, (int)Math.Min(Chunk, count - at));
                Recipe.Fill(full, numbers, scale, offset, begin + at);
                Numbers.FromFloat(numbers, type, chunks[task] ??= new byte[Math.Min(Chunk, count) * size]);
            }
        }
    }
}
