using JeDi.Cli;
using JeDi.Tests.Models;

namespace JeDi.Tests.Cli;

/// <summary>What a command line did.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Out">Standard output.</param>
/// <param name="Error">Standard error.</param>
public sealed record CliRun(int Code, string Out, string Error)
{
    /// <summary>The one line of an error.</summary>
    public string ErrorLine => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];

    public string[] OutLines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static CliRun Of(params string[] arguments) => Of(CancellationToken.None, arguments);

    public static CliRun Of(CancellationToken stop, params string[] arguments)
    {
        var output = new StringWriter { NewLine = "\n" };
        var error = new StringWriter { NewLine = "\n" };
        int code = CommandLine.Run(arguments, output, error, stop);
        return new CliRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Asserts that it ended well.</summary>
    /// <returns>Standard output.</returns>
    public string AssertSucceeds()
    {
        Assert.That(Code, Is.EqualTo(0), Error);
        return Out;
    }

    /// <summary>Asserts one line on standard error that holds all of the texts, an exit code, and silence on standard output.</summary>
    public void AssertFails(int code, params string[] texts)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Code, Is.EqualTo(code), Error);
            Assert.That(Error, Does.StartWith("jedi-native: "));
            Assert.That(Error.TrimEnd('\n'), Does.Not.Contain('\n'), "one line");
            Assert.That(Error, Does.Not.Contain("internal error"));
            Assert.That(Out, Is.Empty);
            foreach (string text in texts)
            {
                Assert.That(Error, Does.Contain(text));
            }
        }
    }
}

/// <summary>A folder of its own for each test, removed afterwards.</summary>
public abstract class FolderFixture
{
    TestFolder folder = null!;

    protected string Folder => folder.Path;

    [SetUp]
    public void MakeFolder() => folder = new TestFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    protected string At(string name) => folder.At(name);

    protected string Write(string name, string text)
    {
        File.WriteAllText(At(name), text);
        return At(name);
    }
}
