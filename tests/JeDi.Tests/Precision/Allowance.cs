using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using NUnit.Framework.Internal.Commands;
using JeDi.Tensors;
using JeDi.Tests.Simulator;

namespace JeDi.Tests.Precision;

/// <summary>
/// What a target of half precision may be off. The test's body runs first on a CPU device that rounds every weight and every result to
/// the type (<see cref="RoundedKernels"/>); each comparison notes its error. Then it runs on the target, where each comparison may be
/// off by twice that, plus one unit in the last place of the type at the tensor's scale.
/// </summary>
static class Allowance
{
    [ThreadStatic]
    static List<double>? errors;

    [ThreadStatic]
    static DType type;

    [ThreadStatic]
    static int next;

    /// <summary>The body runs to measure: devices round, comparisons note.</summary>
    [field: ThreadStatic]
    public static bool Measuring { get; private set; }

    /// <summary>One unit in the last place, relative to its binade's beginning.</summary>
    public static double Ulp(DType type) => type switch
    {
        DType.F16 => 1.0 / (1 << 10),
        DType.BF16 => 1.0 / (1 << 7),
        _ => 1.0 / (1 << 23),
    };

    /// <summary>Runs a body that computes on a target: to measure, where that has to be, and then for good.</summary>
    /// <param name="target">Its name.</param>
    /// <param name="body">The test's.</param>
    /// <param name="run">Runs what it is given, the body for good, once or more often.</param>
    public static void Run(string target, Action body, Action<Action> run)
    {
        type = Targets.TypeOf(target);
        if (type == DType.F32 || RehearsalAttribute.Wanted)
        {
            run(body);
            return;
        }

        (errors, Measuring) = ([], true);
        try
        {
            body();
            Measuring = false;
            run(() =>
            {
                next = 0;
                body();
            });
        }
        finally
        {
            (errors, Measuring) = (null, false);
        }
    }

    /// <summary>The tolerance of a comparison: the given one in F32, else the allowance; infinite while that is measured.</summary>
    /// <param name="tolerance">Of F32.</param>
    /// <param name="error">Of this comparison.</param>
    /// <param name="scale">Largest expected value, where errors are absolute; 1 where they are relative to it.</param>
    public static double Of(double tolerance, double error, double scale)
    {
        if (errors is null)
        {
            return tolerance;
        }

        if (Measuring)
        {
            errors.Add(error);
            return double.PositiveInfinity;
        }

        return Math.Max(tolerance, 2 * errors[next++] + Ulp(type) * scale);
    }
}

/// <summary>Cases whose first argument is a target's name; in half precision the body runs twice (<see cref="Allowance"/>).</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class OnTargetsAttribute : TestCaseSourceAttribute, IWrapTestMethod
{
    public OnTargetsAttribute(string source)
        : base(source) => Category = "Target";

    public OnTargetsAttribute(Type type, string source)
        : base(type, source) => Category = "Target";

    public TestCommand Wrap(TestCommand command) => new Twice(command);

    sealed class Twice(TestCommand inner) : DelegatingTestCommand(inner)
    {
        public override TestResult Execute(TestExecutionContext context)
        {
            string? difference = null;
            Allowance.Run(
                (string)Test.Arguments[0]!,
                () => context.CurrentResult = innerCommand.Execute(context),
                body => difference = BlockOrders.Run(body, () => context.CurrentResult.ResultState.Status != TestStatus.Failed));
            if (difference is not null)
            {
                context.CurrentResult.SetResult(ResultState.Failure, difference);
            }

            return context.CurrentResult;
        }
    }
}
