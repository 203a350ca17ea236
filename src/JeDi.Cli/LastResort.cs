using JeDi.Files;

namespace JeDi.Cli;

/// <summary>
/// Ends a process that does not come to the point where it looks for a stop: a file that is read may be a pipe that nobody writes.
/// </summary>
static class LastResort
{
    static volatile bool held;

    /// <summary>Somebody answers a stop with work that has to be done, however long it takes, such as a checkpoint.</summary>
    public static bool Held
    {
        get => held;
        set => held = value;
    }

    /// <summary>Ends the process after a while, as a stopped one, without half files; never while it is <see cref="Held"/>.</summary>
    public static void After(TimeSpan patience)
    {
        var thread = new Thread(() =>
        {
            do
            {
                Thread.Sleep(patience);
            }
            while (held);

            AtomicFile.RemoveUnfinished();
            Console.Error.WriteLine("jedi-native: stopped");
            Environment.Exit(CommandLine.Interrupted);
        });
        thread.IsBackground = true;
        thread.Start();
    }
}
