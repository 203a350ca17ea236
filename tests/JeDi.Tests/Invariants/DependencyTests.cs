using System.Reflection;
using System.Text.RegularExpressions;

namespace JeDi.Tests.Invariants;

/// <summary>Who may know whom: the table of docs/architecture.md.</summary>
public sealed partial class DependencyTests
{
    static readonly Dictionary<string, string[]> mayUse = new()
    {
        ["JeDi.Errors"] = [],
        ["JeDi.Files"] = ["JeDi.Errors"],
        ["JeDi.Tensors"] = ["JeDi.Errors"],
        ["JeDi.Cpu.Generator"] = [],
        ["JeDi.Cpu"] = ["JeDi.Tensors", "JeDi.Cpu.Generator"],
        ["JeDi.Cuda"] = ["JeDi.Tensors"],
        ["JeDi.Models"] = ["JeDi.Tensors", "JeDi.Files"],
        ["JeDi.Sampling"] = ["JeDi.Models", "JeDi.Tensors", "JeDi.Files"],
        ["JeDi.Training"] = ["JeDi.Sampling", "JeDi.Models", "JeDi.Tensors", "JeDi.Files"],
        ["JeDi.Engine"] = ["JeDi.Sampling", "JeDi.Cpu", "JeDi.Cuda", "JeDi.Models", "JeDi.Tensors", "JeDi.Files"],
        ["JeDi.Package"] = ["JeDi.Engine"],
        ["JeDi.Extensions.Hosting"] =
        [
            "JeDi.Package", "JeDi.Engine", "JeDi.Sampling", "JeDi.Models", "JeDi.Tensors", "JeDi.Files",
        ],
        ["JeDi.Datasets"] = ["JeDi.Files"],
        ["JeDi.Evaluation"] = ["JeDi.Datasets", "JeDi.Models", "JeDi.Tensors", "JeDi.Files"],
        ["JeDi.Cli"] =
        [
            "JeDi.Datasets", "JeDi.Evaluation", "JeDi.Engine", "JeDi.Training", "JeDi.Sampling", "JeDi.Cpu", "JeDi.Cuda", "JeDi.Models",
            "JeDi.Tensors", "JeDi.Files",
        ],
    };

    static IEnumerable<string> Projects => Sources.Ending(".csproj").Where(path => path.StartsWith("src/", StringComparison.Ordinal));

    /// <summary>Without the source generator, which runs in the compiler, and the package, which has no code.</summary>
    static IEnumerable<string> Assemblies => Projects.Where(path => !path.Contains("Generator") && !path.Contains("Package"));

    [TestCaseSource(nameof(Projects))]
    public void ProjectUsesOnlyWhatItMay(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        Assert.That(mayUse, Does.ContainKey(name), $"{name} is missing from the table of dependencies");
        IEnumerable<string> used = ProjectReference().Matches(Sources.Text(project)).Select(match => match.Groups[1].Value);
        Assert.That(used.Except(mayUse[name]), Is.Empty, $"{name} may not use these");
    }

    /// <summary>What the compiled code names, transitive references included.</summary>
    [TestCaseSource(nameof(Assemblies))]
    public void AssemblyNamesOnlyWhatItMay(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        Assembly assembly = Assembly.Load(name == "JeDi.Cli" ? "jedi-native" : name);
        IEnumerable<string> used = assembly.GetReferencedAssemblies().Select(reference => reference.Name!).Where(mayUse.ContainsKey);
        Assert.That(used.Except(mayUse[name]).Where(other => other != "JeDi.Errors"), Is.Empty, $"{name} may not use these");
    }

    /// <summary>The package depends on what its assemblies use: their packages, and no other.</summary>
    [Test]
    public void ThePackageNamesThePackagesOfItsAssemblies()
    {
        static IEnumerable<string> Packages(string project) =>
            PackageReference().Matches(Sources.Text($"src/{project}/{project}.csproj")).Select(match => match.Groups[1].Value);
        IEnumerable<string> used = mayUse["JeDi.Engine"].Append("JeDi.Engine").SelectMany(Packages);
        Assert.That(Packages("JeDi.Package"), Is.EquivalentTo(used.Distinct()));
    }

    /// <summary>Unsafe code stands in the devices, in the tensors' memory type and in the file reader.</summary>
    [Test]
    public void UnsafeCodeStandsWhereItMay()
    {
        string[] allowed =
        [
            "src/JeDi.Cpu/", "src/JeDi.Cpu.Generator/", "src/JeDi.Cuda/", "src/JeDi.Tensors/DeviceMemory.cs", "src/JeDi.Files/Safetensors",
        ];
        IEnumerable<string> found = Sources.Ending(".cs")
            .Where(path => path.StartsWith("src/", StringComparison.Ordinal))
            .Where(path => Sources.Lines(path).Any(line => UnsafeKeyword().IsMatch(line)))
            .Where(path => !allowed.Any(start => path.StartsWith(start, StringComparison.Ordinal)));
        Assert.That(found, Is.Empty);
    }

    [GeneratedRegex("<ProjectReference Include=\"[^\"]*/([^/\"]+)\\.csproj\"")]
    private static partial Regex ProjectReference();

    [GeneratedRegex("<PackageReference Include=\"([^\"]*)\"")]
    private static partial Regex PackageReference();

    [GeneratedRegex("^[^/\"]*\\bunsafe\\b")]
    private static partial Regex UnsafeKeyword();
}
