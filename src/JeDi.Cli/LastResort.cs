using JeDi.Files;

namespace JeDi.Cli;

/// <summary>
/// Ends a process that does not come to the point where it looks for a stop: a file that is read may be a pipe that nobody writes.
/// </summary>
static class LastResort
{
    /// <summary>Ends the process after a while, as a stopped one, without half files.</summary>
    public static void After(TimeSpan patience)
    {
        var thread = new Thread(() =>
        {
            Thread.Sleep(patience);
            AtomicFile.RemoveUnfinished();
            Console.Error.WriteLine("jedi-native: stopped");
            Environment.Exit(CommandLine.Interrupted);
        });
        thread.IsBackground = true;
        thread.Start();
    }
}
