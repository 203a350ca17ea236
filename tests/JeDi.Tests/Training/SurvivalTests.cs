using System.Diagnostics;
using JeDi.Tensors;
using JeDi.Tests.Cli;
using JeDi.Training;

namespace JeDi.Tests.Training;

/// <summary>Nothing is lost: processes that are killed, told to stop, or out of space.</summary>
public sealed class SurvivalTests : FolderFixture
{
    const int Kills = 20;
    const string State = "state.safetensors";

    Device device = null!;

    [OneTimeSetUp]
    public void MakeDevice() => device = Targets.EveryLevel[0].Make();

    [OneTimeTearDown]
    public void RemoveDevice() => device.Dispose();

    /// <summary>
    /// Text encoder and U-Net, a checkpoint after each step. A quarter of the kills come at any time after the start, the others a moment
    /// after a checkpoint was written or begun. What is left goes on to the bits of a run that nobody disturbed.
    /// </summary>
    [Test]
    public void ARunThatIsKilledAgainAndAgainGivesTheBitsOfOneThatIsNot()
    {
        TrainingOptions options = Options("killed");
        var random = new Random(9);
        int whileWriting = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            string[] before = Checkpoints();
            using var run = new CommandProcess(Arguments(options, resume: before.Any(IsWhole)));
            if (kill % 4 == 3)
            {
                Thread.Sleep(random.Next(1500));
            }
            else
            {
                run.Await(() => Checkpoints().Except(before).Any());
                Thread.Sleep(random.Next(120));
            }

            Assert.That(run.HasExited, Is.False, string.Join('\n', run.Lines));
            run.Kill();
            whileWriting += Checkpoints().Any(name => !IsWhole(name)) ? 1 : 0;
        }

        Assert.That(whileWriting, Is.GreaterThan(0), "kills between the beginning and the end of a checkpoint");
        long last;
        using (var resumed = new Trainer(device, options, resume: true))
        {
            resumed.Advance();
            resumed.Advance();
            resumed.Save();
            last = resumed.Step;
        }

        ExpectTheBitsOfAnUndisturbedRun("killed", last);

        string[] Checkpoints() => Directory.Exists(options.Out)
            ? [.. Directory.EnumerateDirectories(options.Out, "step-*").Select(path => Path.GetFileName(path)!)]
            : [];

        static bool IsWhole(string name) => !name.EndsWith(".tmp");
    }

    /// <summary>Ctrl-C and SIGTERM: the step is finished, a checkpoint written, and the run goes on from there.</summary>
    [TestCase("INT")]
    [TestCase("TERM")]
    public void ASignalSavesAndStops(string signal)
    {
        TrainingOptions options = Options("stopped") with { SaveEvery = 1_000_000, Validation = At("data"), ValidateEvery = 1 };
        using (var run = new CommandProcess(Arguments(options, resume: false)))
        {
            run.Await(() => run.Lines.Any(line => line.StartsWith("step 3 of")));
            run.Signal(signal);
            Assert.That(run.Wait(), Is.EqualTo(130), string.Join('\n', run.Lines));
            Assert.That(run.Lines, Has.Some.EqualTo("jedi-native: stopped"));
        }

        using var resumed = new Trainer(device, options, resume: true);
        Assert.That(resumed.Step, Is.GreaterThanOrEqualTo(3));
        Assert.That(Path.Combine(options.Out, "loss.csv"), Does.Exist);
        ExpectTheBitsOfAnUndisturbedRun("stopped", resumed.Step);
    }

    /// <summary>
    /// A signal while the next batch is read from pipes that nobody writes: what was learned is saved, and the process ends.
    /// </summary>
    [Test]
    public void ASignalSavesWhileAPipeIsRead()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("no pipes with names here");
        }

        TrainingOptions options = Options("blocked") with { SaveEvery = 1_000_000, Cache = 0 };
        using (var run = new CommandProcess(Arguments(options, resume: false)))
        {
            run.Await(() => run.Lines.Any(line => line.Contains("weights, ")));
            foreach (string picture in Directory.GetFiles(At("data"), "*.png"))
            {
                File.Delete(picture);
                using Process made = Process.Start("mkfifo", [picture]);
                made.WaitForExit();
            }

            // Long enough for batches that were read before to be worked off.
            Thread.Sleep(2000);
            var clock = Stopwatch.StartNew();
            run.Signal("TERM");
            Assert.That(run.Wait(), Is.EqualTo(130), string.Join('\n', run.Lines));
            Assert.That(clock.Elapsed, Is.LessThan(TimeSpan.FromSeconds(6)), "three seconds, and as much for a loaded machine");
            Assert.That(run.Lines, Has.Some.EqualTo("jedi-native: stopped"));
        }

        SetFolder.Make(At("data"));
    }

    /// <summary>No space for the next checkpoint: one line, the last one is whole, and nothing half written is left.</summary>
    [TestCase("tmpfs")]
    [TestCase("ulimit")]
    public void AFullDiskLeavesTheLastCheckpoint(string way)
    {
        using var disk = new SmallDisk(way, At("disk"));
        TrainingOptions options = Options("unused") with { Out = Path.Combine(disk.Folder, "run") };
        using (var trainer = new Trainer(device, options))
        {
            trainer.Advance();
            trainer.Save();
        }

        string checkpoint = Path.Combine(options.Out, "step-00000001");
        long half = Directory.EnumerateFiles(checkpoint, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length) / 2;
        byte[] before = File.ReadAllBytes(Path.Combine(checkpoint, State));
        disk.Leave(half);
        using (var run = new CommandProcess(Arguments(options, resume: true), disk.Before(half)))
        {
            Assert.That(run.Wait(), Is.EqualTo(1), string.Join('\n', run.Lines));
            Assert.That(run.Lines, Has.One.StartsWith("jedi-native: ").And.One.Contains("cannot be written"));
        }

        IEnumerable<string> left = Directory.EnumerateDirectories(options.Out, "step-*").Select(path => Path.GetFileName(path)!);
        Assert.That(left, Is.EqualTo(new[] { "step-00000001" }));
        Assert.That(File.ReadAllBytes(Path.Combine(checkpoint, State)), Is.EqualTo(before));
        using var resumed = new Trainer(device, options, resume: true);
        Assert.That(resumed.Step, Is.EqualTo(1));
    }

    void ExpectTheBitsOfAnUndisturbedRun(string name, long steps)
    {
        TrainingOptions options = Options("undisturbed");
        using (var trainer = new Trainer(device, options))
        {
            for (long step = 0; step < steps; step++)
            {
                trainer.Advance();
            }

            trainer.Save();
        }

        byte[] expected = File.ReadAllBytes(Path.Combine(options.Out, $"step-{steps:00000000}", State));
        byte[] actual = File.ReadAllBytes(At($"{name}/step-{steps:00000000}/{State}"));
        Assert.That(actual.AsSpan().SequenceEqual(expected), $"values, moments and averages after {steps} steps");
    }

    TrainingOptions Options(string name)
    {
        SetFolder.Make(At("data"));
        return SetFolder.Options(At("data"), At(name)) with { Steps = 100_000, SaveEvery = 1, Keep = 2, Images = 2, SetSizes = [1, 2] };
    }

    static string[] Arguments(TrainingOptions options, bool resume)
    {
        if (resume)
        {
            return ["train", "--resume", "--out", options.Out, "--threads", "2"];
        }

        string settings = options.Out + ".json";
        File.WriteAllText(settings, options.ToJson().ToJsonString());
        return ["train", "--settings", settings, "--threads", "2"];
    }

    /// <summary>A folder whose space can be taken away.</summary>
    sealed class SmallDisk : IDisposable
    {
        readonly bool mounted;

        public SmallDisk(string way, string folder)
        {
            Folder = Directory.CreateDirectory(folder).FullName;
            if (way == "tmpfs")
            {
                mounted = OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", "size=256m", "none", Folder);
                if (!mounted)
                {
                    Assert.Ignore("this process may not mount a small disk");
                }
            }
            else if (OperatingSystem.IsWindows())
            {
                Assert.Ignore("no limit for the size of files here");
            }
        }

        public string Folder { get; }

        /// <summary>A file takes all the space but so many bytes.</summary>
        public void Leave(long bytes)
        {
            if (mounted)
            {
                long free = new DriveInfo(Folder).AvailableFreeSpace;
                using FileStream file = File.Create(Path.Combine(Folder, "taken"));
                file.Write(new byte[Math.Max(0, free - bytes)]);
            }
        }

        /// <summary>
        /// Where no disk is small, files are: none longer than so many bytes. The runtime's own map of its code is such a file.
        /// </summary>
        public string Before(long bytes) =>
            mounted ? "" : $"trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0; ulimit -f {bytes / 1024}";

        public void Dispose()
        {
            if (mounted)
            {
                Run("umount", Folder);
            }
        }

        static bool Run(string program, params string[] arguments)
        {
            try
            {
                var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true };
                using Process process = Process.Start(start)!;
                process.StandardError.ReadToEnd();
                process.WaitForExit();
                return process.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }
    }
}
