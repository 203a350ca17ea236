using System.Collections.Concurrent;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace JeDi.Cuda.Compiling;

/// <summary>The kernels' CUDA sources, which travel inside this assembly.</summary>
static class KernelSources
{
    const string Library = "lib/";
    static readonly Assembly assembly = typeof(KernelSources).Assembly;
    static readonly ConcurrentDictionary<string, byte[]> texts = new();

    /// <summary>Every header of <c>kernels/lib</c> under both names that an include may use: <c>lib/x</c> and <c>x</c>.</summary>
    public static IReadOnlyList<(string Name, byte[] Text)> Headers { get; } =
        [.. Names(name => name.StartsWith(Library, StringComparison.Ordinal))
            .SelectMany(name => ((string, byte[])[])[(name, Read(name)), (name[Library.Length..], Read(name))])];

    /// <summary>Names of the kernels' files, without their ending.</summary>
    public static IReadOnlyList<string> Kernels { get; } =
        [.. Names(name => name.EndsWith(".cu", StringComparison.Ordinal)).Select(name => name[..^3])];

    /// <summary>Text of <c>kernels/name.cu</c>, ended by a zero as C wants it.</summary>
    public static byte[] Text(string name) => texts.GetOrAdd(name, name => Read($"{name}.cu"));

    /// <summary>One more source beside those of the product: tests of the headers have kernels of their own.</summary>
    public static void Add(string name, byte[] text) => texts[name] = text;

    /// <summary>Hash over a kernel's source and all headers.</summary>
    public static void AddTo(IncrementalHash hash, string name)
    {
        hash.AppendData(Text(name));
        foreach ((string header, byte[] text) in Headers)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(header));
            hash.AppendData(text);
        }
    }

    static IEnumerable<string> Names(Func<string, bool> wanted) =>
        assembly.GetManifestResourceNames().Where(wanted).Order(StringComparer.Ordinal);

    static byte[] Read(string resource)
    {
        using Stream stream = assembly.GetManifestResourceStream(resource) ?? throw new CudaException($"there is no kernel '{resource}'");
        var text = new byte[stream.Length + 1];
        stream.ReadExactly(text.AsSpan(0, text.Length - 1));
        return text;
    }
}
