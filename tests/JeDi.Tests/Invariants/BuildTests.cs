using System.Runtime.InteropServices;

namespace JeDi.Tests.Invariants;

/// <summary>What the build puts beside the program, and that its lock files know no system.</summary>
public sealed class BuildTests
{
    const long MostBytes = 60L << 20;

    /// <summary>Packages bring libraries for a dozen systems; the program needs those of the one that it was built on.</summary>
    [Test]
    public void NativeLibrariesAreOfThisSystemOnly()
    {
        string runtimes = Path.Combine(AppContext.BaseDirectory, "runtimes");
        string[] folders = [.. Directory.GetDirectories(runtimes, "native", SearchOption.AllDirectories)
            .Select(native => Path.GetRelativePath(runtimes, Path.GetDirectoryName(native)!))];
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string own = $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        Assert.That(folders, Is.EqualTo(new[] { own }));
        Assert.That(Directory.GetFiles(Path.Combine(runtimes, own, "native")), Is.Not.Empty);
    }

    [Test]
    public void TheProgramIsSmall()
    {
        string built = Path.GetFullPath(AppContext.BaseDirectory).Replace(
            Path.Combine("tests", "JeDi.Tests"), Path.Combine("src", "JeDi.Cli"), StringComparison.Ordinal);
        Assert.That(File.Exists(Path.Combine(built, "jedi-native.dll")), built);
        long bytes = new DirectoryInfo(built).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        Assert.That(bytes, Is.LessThan(MostBytes));
    }

    /// <summary>A lock file with a part for one system makes the build on another one fail, or changes there.</summary>
    [Test]
    public void LockFilesHoldOnEverySystem()
    {
        string[] files = Directory.GetFiles(Path.Combine(Repository.Root, "src"), "packages.lock.json", SearchOption.AllDirectories);
        Assert.That(files, Is.Not.Empty);
        Assert.That(files.Where(file => File.ReadAllText(file).Contains("\"net10.0/", StringComparison.Ordinal)), Is.Empty);
    }
}
