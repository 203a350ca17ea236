using JeDi.Cpu;
using JeDi.Cuda;
using JeDi.Cuda.Native;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests;

/// <summary>
/// The devices that tests run on, by the name that stands in the test's name. A process tests one kind, by <c>JEDI_TARGET</c>: <c>cpu</c>
/// (at each SIMD level; the default), <c>sim</c> or <c>cuda</c> (each in F32, F16 and BF16).
/// </summary>
public static class Targets
{
    public const string Variable = "JEDI_TARGET";

    /// <summary>The target of tests that compute on no device.</summary>
    public const string Host = "host";

    /// <summary>Element types of a target that is no CPU.</summary>
    static readonly DType[] types = [DType.F32, DType.F16, DType.BF16];

    /// <summary>Keeps the GPU's context and its compiled kernels from test to test.</summary>
    static readonly Lazy<CudaDevice> held = new(OpenCuda);

    /// <summary>The kind of this process.</summary>
    public static string Choice { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : "cpu";

    public static bool OnCpu => Choice == "cpu";

    /// <summary>The CPU device at each SIMD level that this processor has, widest first.</summary>
    public static IReadOnlyList<(string Name, Func<Device> Make)> EveryLevel { get; } =
        [.. Levels().Where(SimdLevels.Supports).Select(level => (Name(level), (Func<Device>)(() => new CpuDevice(level: level))))];

    /// <summary>Names of all targets of this process.</summary>
    public static IEnumerable<string> All => OnCpu ? Levels().Select(Name) : types.Select(Name);

    /// <summary>Those that compute in F32: where numbers are expected bit for bit.</summary>
    public static IEnumerable<string> AllF32 => OnCpu ? All : All.Take(1);

    /// <summary>The widest SIMD level, or each type of another kind.</summary>
    public static IEnumerable<string> Widest => OnCpu ? All.Where(name => SimdLevels.Supports(Level(name))).Take(1) : All;

    /// <summary>Source of test cases that take a target's name; levels that this processor lacks are skipped by name.</summary>
    public static IEnumerable<TestCaseData> Names() => EachLevel(name => new TestCaseData(name));

    /// <summary>Test cases made from a target's name; those of levels that this processor lacks are skipped by name.</summary>
    public static IEnumerable<TestCaseData> EachLevel(Func<string, TestCaseData> make) => All.Select(name =>
        !OnCpu || SimdLevels.Supports(Level(name)) ? make(name) : make(name).Ignore($"this processor has no {Level(name)}"));

    /// <summary>
    /// A device of that name; for the CPU with so many threads (0: one for each processor). While a test's allowance is measured, it is
    /// the CPU that rounds as the target does.
    /// </summary>
    public static Device Make(string name, int threads = 0, bool winograd = true)
    {
        DType type = TypeOf(name);
        if (OnCpu)
        {
            if (!SimdLevels.Supports(Level(name)))
            {
                Assert.Ignore($"this processor has no {Level(name)}");
            }

            return new CpuDevice(threads, Level(name), winograd);
        }

        return Allowance.Measuring ? new RoundedDevice(new CpuDevice(winograd: false), type) : Cuda(type);
    }

    /// <summary>The element type that a target computes in.</summary>
    public static DType TypeOf(string name) => OnCpu || name == Host ? DType.F32 : types.Single(type => Name(type) == name);

    /// <summary>The same as <see cref="Make"/>, for tests that hand it F32 tensors: they are converted at each operation.</summary>
    public static Device MakeForFloats(string name, int threads = 0, bool winograd = true)
    {
        Device device = Make(name, threads, winograd);
        return device is CudaDevice && TypeOf(name) != DType.F32 ? new TypedDevice(device, TypeOf(name)) : device;
    }

    /// <summary>A queue on the GPU or the simulator; skipped by name, with the reason, where there is none.</summary>
    public static CudaDevice Cuda(DType type)
    {
        try
        {
            _ = held.Value;
        }
        catch (CudaException missing)
        {
            Assert.Ignore(missing.Message);
        }

        return new CudaDevice(0, type);
    }

    static CudaDevice OpenCuda()
    {
        Libraries.Choose(simulator: Choice == "sim");
        return new CudaDevice();
    }

    static IEnumerable<SimdLevel> Levels() => Enum.GetValues<SimdLevel>().Reverse();

    static SimdLevel Level(string name) => Levels().Single(level => Name(level) == name);

    static string Name(SimdLevel level) => $"Cpu{level}";

    static string Name(DType type) => $"{(Choice == "sim" ? "Sim" : "Cuda")}{type}";
}
