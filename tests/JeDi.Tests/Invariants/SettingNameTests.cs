using System.Reflection;
using System.Text.RegularExpressions;
using JeDi.Cli;

namespace JeDi.Tests.Invariants;

/// <summary>The library speaks of properties, the command of options, and one table leads from the first to the second.</summary>
public sealed partial class SettingNameTests
{
    static readonly Type[] settings = [typeof(EngineOptions), typeof(SessionShape), typeof(JeDiRequest)];

    /// <summary>The projects of the package, and the hosting extensions.</summary>
    static readonly string[] library = ["Errors", "Files", "Tensors", "Cpu", "Cuda", "Models", "Sampling", "Engine", "Extensions.Hosting"];

    static IEnumerable<string> LibraryFiles => Sources.Ending(".cs")
        .Where(path => library.Any(name => path.StartsWith($"src/JeDi.{name}/", StringComparison.Ordinal)));

    /// <summary>But for those of the compiler of kernels, which are options indeed.</summary>
    [Test]
    public void LibraryMessagesNameNoOptions()
    {
        IEnumerable<string> found = LibraryFiles.Where(path => !path.EndsWith("Compiler.cs", StringComparison.Ordinal))
            .SelectMany(path => Sources.Lines(path).Where(line => Option().IsMatch(line)).Select(line => $"{path}: {line.Trim()}"));
        Assert.That(found, Is.Empty);
    }

    [Test]
    public void SettingsInMessagesExistAndHaveAnOption()
    {
        string[] named = [.. LibraryFiles.SelectMany(Sources.Lines)
            .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))
            .SelectMany(line => Text().Matches(line))
            .SelectMany(text => Setting().Matches(text.Value)).Select(match => match.Value).Distinct()];
        Assert.That(named, Is.Not.Empty);
        Assert.That(named.Except(OptionNames.All.Keys), Is.Empty, "without an option");
        Assert.That(OptionNames.All.Keys.Where(name => !Exists(name)), Is.Empty, "no such property");
    }

    [Test]
    public void TheTableNamesOptionsOfSample() => Assert.That(
        OptionNames.All.Values.Except(new JeDi.Cli.Commands.SampleCommand(new Terminal(TextWriter.Null, TextWriter.Null))
            .Options.Select(option => option.Name)),
        Is.Empty);

    [TestCase("try EngineOptions.LowMemory = true, SessionShape.VaeTiling = true, fewer", "try --low-memory, --vae-tiling on, fewer")]
    [TestCase("EngineOptions.Device gpu: unknown; use EngineOptions.Device = cpu", "--device gpu: unknown; use --device cpu")]
    [TestCase("EngineOptions.KeptFilterBytes = 0, My.EngineOptions", "--memory 0, My.EngineOptions")]
    public void SettingsBecomeOptions(string message, string said) => Assert.That(OptionNames.In(message), Is.EqualTo(said));

    [Test]
    public void ArgumentsBecomeOptions() => Assert.That(
        OptionNames.Of(new ArgumentOutOfRangeException("Width", "7 is too small")), Is.EqualTo("--width: 7 is too small"));

    /// <summary>Whatever the engine throws on purpose is one kind of exception.</summary>
    [Test]
    public void EveryExceptionOfTheLibraryHasOneBase()
    {
        IEnumerable<Type> exceptions = library.Select(name => Assembly.Load($"JeDi.{name}")).SelectMany(assembly => assembly.GetTypes())
            .Where(typeof(Exception).IsAssignableFrom);
        Assert.That(exceptions, Is.Not.Empty.And.All.Matches<Type>(typeof(JeDiException).IsAssignableFrom));
    }

    [Test]
    public void TheReadmeNamesTheMeterAndTheActivities()
    {
        string readme = Sources.Text("README.md");
        string[] names = [Telemetry.Name, Telemetry.Generate, Telemetry.Steps.Name, Telemetry.Images.Name, Telemetry.StepSeconds.Name];
        Assert.That(names.Where(name => !readme.Contains($"`{name}`", StringComparison.Ordinal)), Is.Empty);
    }

    static bool Exists(string name) =>
        name.Split('.') is [string type, string property] && settings.Any(t => t.Name == type && t.GetProperty(property) is not null);

    [GeneratedRegex(@"""[^""]*--[a-z]{2,}")]
    private static partial Regex Option();

    [GeneratedRegex(@"""(\\.|[^""\\])*""")]
    private static partial Regex Text();

    [GeneratedRegex(@"\b(EngineOptions|SessionShape|JeDiRequest)\.\w+")]
    private static partial Regex Setting();
}
