using System.Diagnostics;

namespace JeDi.Cli.Reporting;

/// <summary>Brings the steps of one set into the progress of the run.</summary>
/// <param name="progress">Of the run.</param>
/// <param name="what">The set.</param>
/// <param name="before">Steps of the sets before it.</param>
/// <param name="setsLeft">Sets from this one on.</param>
/// <param name="tellsFirst">Say when the first step ended: until then a user sees nothing move.</param>
sealed class SetSteps(RunProgress progress, string what, int before, int setsLeft, bool tellsFirst) : IProgress<StepProgress>
{
    public int InSet { get; private set; }

    public void Report(StepProgress value)
    {
        if (InSet == 0)
        {
            InSet = value.Steps;
            progress.Begin(what, before + value.Steps * setsLeft);
            if (tellsFirst)
            {
                progress.Say($"{what}: the first step ended {SinceStart.TotalSeconds:0.00} s after the start");
            }
        }

        progress.Step(before + value.Step);
    }

    static TimeSpan SinceStart
    {
        get
        {
            using var process = Process.GetCurrentProcess();
            return DateTime.Now - process.StartTime;
        }
    }
}
