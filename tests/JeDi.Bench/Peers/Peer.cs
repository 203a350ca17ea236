using System.Runtime.InteropServices;

namespace JeDi.Bench.Peers;

/// <summary>A library to be compared with. Each operation returns what runs it once, or null where the library has no such thing.</summary>
abstract class Peer
{
    const StringSplitOptions LineSplit = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;

    readonly List<Action> releases = [];

    public abstract string Name { get; }

    /// <summary>Why it cannot run here; null where it can.</summary>
    public abstract string? Missing { get; }

    public virtual void UseThreads(int count)
    {
    }

    public virtual Action? Gemm(GemmShape shape) => null;

    public virtual Action? Conv2d(ConvShape shape) => null;

    public virtual Action? Attention(AttentionShape shape) => null;

    public virtual Action? GroupNorm(ImageShape shape) => null;

    public virtual Action? LayerNorm(ImageShape shape) => null;

    public virtual Action? Add(ImageShape shape) => null;

    /// <summary>Gives back the memory of every operation made so far.</summary>
    public void Clear()
    {
        releases.ForEach(release => release());
        releases.Clear();
    }

    protected void AtClear(Action release) => releases.Add(release);

    /// <summary>Unmanaged floats with numbers in them.</summary>
    protected nint Floats(long count, int seed)
    {
        nint memory = Marshal.AllocHGlobal((nint)(count * sizeof(float)));
        Marshal.Copy(Numbers.Random(count, seed), 0, memory, checked((int)count));
        AtClear(() => Marshal.FreeHGlobal(memory));
        return memory;
    }

    /// <summary>One line on what goes wrong when a library starts; null where it starts.</summary>
    protected static string? Check(Action start)
    {
        try
        {
            start();
            return null;
        }
        catch (Exception error)
        {
            // The runtime's message on a library ends with the loader's own.
            string[] lines = error.GetBaseException().Message.Split('\n', LineSplit);
            return error.GetBaseException() is DllNotFoundException ? lines[^1] : lines[0];
        }
    }

    /// <summary>Says whether a shared library loads.</summary>
    protected static string? CheckLibrary(string library, string package) =>
        NativeLibrary.TryLoad(library, out _) ? null : $"{library} does not load (Debian: {package})";
}
