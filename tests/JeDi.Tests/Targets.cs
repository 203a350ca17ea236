using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi.Tests;

/// <summary>The devices that tests run on, by the name that stands in the test's name.</summary>
public static class Targets
{
    /// <summary>The CPU device at each SIMD level that this processor has, widest first.</summary>
    public static IReadOnlyList<(string Name, Func<Device> Make)> EveryLevel { get; } =
        [.. Levels().Where(SimdLevels.Supports).Select(level => (Name(level), (Func<Device>)(() => new CpuDevice(level: level))))];

    /// <summary>Source of test cases that take a target's name; levels that this processor lacks are skipped by name.</summary>
    public static IEnumerable<TestCaseData> Names() => EachLevel(name => new TestCaseData(name));

    /// <summary>Test cases made from a target's name; those of levels that this processor lacks are skipped by name.</summary>
    public static IEnumerable<TestCaseData> EachLevel(Func<string, TestCaseData> make) => Levels().Select(level =>
        SimdLevels.Supports(level) ? make(Name(level)) : make(Name(level)).Ignore($"this processor has no {level}"));

    /// <summary>A device of that name; for the CPU with so many threads (0: one for each processor).</summary>
    public static Device Make(string name, int threads = 0) => new CpuDevice(threads, Levels().Single(level => Name(level) == name));

    static IEnumerable<SimdLevel> Levels() => Enum.GetValues<SimdLevel>().Reverse();

    static string Name(SimdLevel level) => $"Cpu{level}";
}
