using System.Diagnostics;

namespace JeDi.Tests.Cli;

/// <summary>A <c>jedi-native</c> of its own process, which can be ended from outside.</summary>
sealed class CommandProcess : IDisposable
{
    readonly Process process;
    readonly List<string> lines = [];
    readonly Lock gate = new();

    /// <param name="arguments">The command and its options.</param>
    /// <param name="before">Shell commands that run before it, in the same process.</param>
    public CommandProcess(IEnumerable<string> arguments, string before = "")
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "jedi-native.exe" : "jedi-native");
        string[] words = [program, .. arguments];
        var start = before.Length == 0
            ? new ProcessStartInfo(program, words[1..])
            : new ProcessStartInfo("sh", ["-c", $"{before}; exec \"$0\" \"$@\"", .. words]);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    public bool HasExited => process.HasExited;

    /// <summary>Most resident memory so far, as the system tells; 0 once it has ended.</summary>
    public long PeakBytes
    {
        get
        {
            try
            {
                const string Key = "VmHWM:";
                string? line = File.ReadLines($"/proc/{process.Id}/status").FirstOrDefault(line => line.StartsWith(Key));
                return line is null ? 0 : long.Parse(line[Key.Length..].Trim().Split(' ')[0]) * 1024;
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>What it said on standard error so far.</summary>
    public string[] Lines
    {
        get
        {
            using Lock.Scope turn = gate.EnterScope();
            return [.. lines];
        }
    }

    /// <summary>Waits until something holds or the process has ended.</summary>
    public void Await(Func<bool> what)
    {
        var clock = Stopwatch.StartNew();
        while (!what() && !process.HasExited)
        {
            Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromMinutes(2)), string.Join('\n', Lines));
            Thread.Sleep(2);
        }
    }

    /// <summary>SIGKILL: nothing is tidied up.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>Another signal, e.g. TERM.</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", process.Id.ToString()]);
        kill.WaitForExit();
    }

    /// <summary>Its exit code, once it has ended by itself.</summary>
    public int Wait()
    {
        process.WaitForExit();
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            Kill();
        }

        process.Dispose();
    }

    void Keep(string? line)
    {
        using Lock.Scope turn = gate.EnterScope();
        lines.Add(line ?? "");
    }
}
