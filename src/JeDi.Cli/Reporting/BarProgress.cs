using Spectre.Console;

namespace JeDi.Cli.Reporting;

/// <summary>A bar on standard error that the terminal redraws.</summary>
public sealed class BarProgress(Terminal terminal, string unit) : RunProgress(terminal, unit)
{
    readonly IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
    ProgressTask? bar;

    public override Task Run(Func<Task> work) => console.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
        .StartAsync(context =>
        {
            bar = context.AddTask("loading");
            bar.IsIndeterminate = true;
            return work();
        });

    public override void Say(string line) => console.WriteLine(CleanText.Of(line));

    public override void Warn(string message) => console.WriteLine(Terminal.Warning(message));

    /// <summary>Where both outputs are one terminal, only the display may write between its redraws.</summary>
    public override void Tell(string line)
    {
        if (Console.IsOutputRedirected)
        {
            base.Tell(line);
        }
        else
        {
            console.WriteLine(CleanText.Of(line));
        }
    }

    protected override void Show()
    {
        if (bar is null)
        {
            return;
        }

        bar.IsIndeterminate = false;
        bar.MaxValue = Math.Max(1, Total);
        bar.Value = Done;
        bar.Description = $"{Markup.Escape(What)} [grey]{Speed}[/]";
    }
}
