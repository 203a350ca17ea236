using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using JeDi.Cuda.Native;
using JeDi.Cuda.Planning;

namespace JeDi.Cuda.Compiling;

/// <summary>NVRTC: kernel sources to machine code and PTX. Safe to call from several threads.</summary>
static unsafe class Compiler
{
    /// <summary>Options of every kernel. The log tells registers, spills and shared memory.</summary>
    static readonly string[] always = ["--std=c++17", "--ptxas-options=-v"];

    /// <summary>Environment variable: with any value, kernels know their sources' lines; profilers and the simulator tell them.</summary>
    const string LinesVariable = "JEDI_LINES";

    static readonly string[] lines = Environment.GetEnvironmentVariable(LinesVariable) is { Length: > 0 } ? ["--generate-line-info"] : [];

    static readonly Lazy<string> version = new(ReadVersion);

    public const string Missing = "NVRTC, the compiler of CUDA, was not found; install it (Debian: libnvrtc12, or pip install "
        + "nvidia-cuda-nvrtc-cu12), or name its folder in " + Libraries.FoldersVariable;

    public static bool IsThere => Libraries.HasNvrtc;

    /// <summary>E.g. "12.4"; "none" without NVRTC.</summary>
    public static string Version => version.Value;

    /// <summary>
    /// The best architecture to compile for: the device's own machine code where this NVRTC knows it, else PTX that the driver compiles.
    /// </summary>
    /// <param name="capability">10 x major + minor, e.g. 90.</param>
    public static string Architecture(int capability)
    {
        string own = GpuModel.ArchitectureOf(capability);
        if (!IsThere)
        {
            return own;
        }

        int count;
        Nvrtc.nvrtcGetNumSupportedArchs(&count).Check();
        Span<int> known = new int[count];
        fixed (int* first = known)
        {
            Nvrtc.nvrtcGetSupportedArchs(first).Check();
        }

        if (known.Contains(capability))
        {
            return own;
        }

        int newest = 0;
        foreach (int architecture in known)
        {
            newest = architecture < capability && architecture <= 90 ? Math.Max(newest, architecture) : newest;
        }

        return $"compute_{newest}";
    }

    /// <summary>From the cache, or compiled.</summary>
    /// <exception cref="CudaException">NVRTC is missing, or the source does not compile.</exception>
    public static CompiledKernel Get(string source, string[] options, string architecture)
    {
        options = [.. lines, .. options];
        string key = KernelCache.Key(source, options, architecture);
        if ((KernelCache.Find(key, Version) ?? FindOlder(source, options, architecture)) is CompiledKernel kept)
        {
            return kept;
        }

        if (!IsThere)
        {
            throw new CudaException($"{source}.cu {string.Join(' ', options)} for {architecture} has to be compiled: {Missing}");
        }

        CompiledKernel made = Compile(source, options, architecture);
        KernelCache.Keep(key, Version, made);
        return made;
    }

    /// <summary>
    /// What came with the program for an older architecture: machine code of the same generation runs on the newer ones (sm_80 on sm_89),
    /// and the driver compiles the PTX of sm_80 for all that came later.
    /// </summary>
    static CompiledKernel? FindOlder(string source, string[] options, string architecture)
    {
        const int Oldest = 80;
        string digits = new([.. architecture.Where(char.IsAsciiDigit)]);
        int capability = int.Parse(digits, CultureInfo.InvariantCulture);
        return GpuModel.Known
            .Where(gpu => gpu.Capability < capability && (gpu.Capability / 10 == capability / 10 || gpu.Capability == Oldest))
            .OrderByDescending(gpu => gpu.Capability)
            .Select(gpu => KernelCache.FindPrebuilt(KernelCache.Key(source, options, gpu.Architecture)))
            .FirstOrDefault(found => found is not null);
    }

    /// <summary>Compiles without the cache.</summary>
    public static CompiledKernel Compile(string source, string[] options, string architecture) =>
        Compile(source, KernelSources.Text(source), options, architecture);

    /// <summary>Compiles a text that ends with a zero and may include the headers of <c>kernels/lib</c>.</summary>
    public static CompiledKernel Compile(string source, byte[] code, string[] options, string architecture)
    {
        if (!IsThere)
        {
            throw new CudaException(Missing);
        }

        using var texts = new Texts();
        byte** arguments = texts.Array([.. always, $"--gpu-architecture={architecture}", .. options]);
        byte** headers = texts.Array([.. KernelSources.Headers.Select(header => header.Text)]);
        byte** names = texts.Array([.. KernelSources.Headers.Select(header => header.Name)]);
        nint program;
        byte* text = texts.Keep(code);
        Nvrtc.nvrtcCreateProgram(&program, text, texts.Text($"{source}.cu"), KernelSources.Headers.Count, headers, names).Check();
        try
        {
            NvrtcResult result = Nvrtc.nvrtcCompileProgram(program, always.Length + 1 + options.Length, arguments);
            byte[] log = Read(program, &Nvrtc.nvrtcGetProgramLogSize, &Nvrtc.nvrtcGetProgramLog);
            if (result != NvrtcResult.Success)
            {
                throw new CudaException($"{source}.cu {string.Join(' ', options)} for {architecture} does not compile: "
                    + Encoding.UTF8.GetString(log).TrimEnd('\0', '\n', ' '));
            }

            bool machineCode = architecture.StartsWith("sm_", StringComparison.Ordinal);
            byte[] cubin = machineCode ? Read(program, &Nvrtc.nvrtcGetCUBINSize, &Nvrtc.nvrtcGetCUBIN) : [];
            return new CompiledKernel(cubin, Read(program, &Nvrtc.nvrtcGetPTXSize, &Nvrtc.nvrtcGetPTX), log);
        }
        finally
        {
            Nvrtc.nvrtcDestroyProgram(&program).Check();
        }
    }

    static byte[] Read(nint program, delegate*<nint, nuint*, NvrtcResult> size, delegate*<nint, byte*, NvrtcResult> read)
    {
        nuint bytes;
        size(program, &bytes).Check();
        var part = new byte[bytes];
        fixed (byte* first = part)
        {
            read(program, first).Check();
        }

        return part;
    }

    static string ReadVersion()
    {
        if (!IsThere)
        {
            return "none";
        }

        int major, minor;
        Nvrtc.nvrtcVersion(&major, &minor).Check();
        return $"{major}.{minor}";
    }

    /// <summary>C strings that live until the end of a call.</summary>
    sealed class Texts : IDisposable
    {
        readonly List<nint> owned = [];

        public byte* Text(string text) => Keep(Encoding.UTF8.GetBytes(text + '\0'));

        public byte* Keep(byte[] bytes)
        {
            byte* copy = (byte*)NativeMemory.Alloc((nuint)bytes.Length);
            owned.Add((nint)copy);
            bytes.CopyTo(new Span<byte>(copy, bytes.Length));
            return copy;
        }

        public byte** Array(string[] texts) => Array([.. texts.Select(text => Encoding.UTF8.GetBytes(text + '\0'))]);

        public byte** Array(byte[][] texts)
        {
            byte** array = (byte**)NativeMemory.Alloc((nuint)Math.Max(1, texts.Length), (nuint)sizeof(byte*));
            owned.Add((nint)array);
            for (int i = 0; i < texts.Length; i++)
            {
                array[i] = Keep(texts[i]);
            }

            return array;
        }

        public void Dispose() => owned.ForEach(address => NativeMemory.Free((void*)address));
    }
}
