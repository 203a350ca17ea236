using JeDi.Tests;
using JeDi.Tests.Cuda;
using NUnit.Framework.Interfaces;

[assembly: Rehearsal]

namespace JeDi.Tests;

/// <summary>
/// Where the simulator computes nothing (<c>JEDISIM_EXECUTE=0</c>: which kernels do the tests use?), every number is wrong; a failed check
/// is noted and the test goes on, so that it launches all that it would launch.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class RehearsalAttribute : TestActionAttribute
{
    static readonly AsyncLocal<IDisposable?> checks = new();

    /// <summary>Nothing is computed.</summary>
    public static bool Wanted { get; } = Environment.GetEnvironmentVariable("JEDISIM_EXECUTE") == "0";

    public override ActionTargets Targets => ActionTargets.Test;

    // Those of the wrappers are one launch each, and thousands of checks.
    public override void BeforeTest(ITest test) =>
        checks.Value = Wanted && test.ClassName != typeof(WrapperTests).FullName ? Assert.EnterMultipleScope() : null;

    public override void AfterTest(ITest test) => checks.Value?.Dispose();
}
