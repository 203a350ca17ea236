using JeDi.Files;

namespace JeDi.Tests.Golden;

/// <summary>The harness itself, on folders made here: other names, another order, a recipe prefix, mistakes.</summary>
public sealed class GoldenHarnessTests
{
    const string Cases = """
        { "recipe_prefix": "other/", "configs": { "small": { "width": 3 } }, "cases": [
          { "op": "b", "tag": "b/0", "config": "small", "weight_prefix": "net/", "float32_error": { "b/0/y": 1e-6 } },
          { "op": "a", "tag": "a/0", "config": { "width": 4 } } ] }
        """;

    string folder = "";

    [SetUp]
    public void MakeFolder() => folder = Directory.CreateTempSubdirectory("golden").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void FilesAreFoundByWhatTheyHold()
    {
        File.WriteAllText(Path.Combine(folder, "any-name.json"), Cases);
        File.WriteAllText(Path.Combine(folder, "names.json"), """{ "conv_in.weight": [4, 4] }""");
        File.WriteAllText(Path.Combine(folder, "list.json"), "[1, 2]");
        GoldenFile file = new GoldenFolder(folder).Files.Single();
        Assert.That(file.Stem, Is.EqualTo("any-name"));
        Assert.That(file.Cases.GetArrayLength(), Is.EqualTo(2));
    }

    [Test]
    public void TensorsWithoutCasesAreFound()
    {
        File.WriteAllText(Path.Combine(folder, "good.json"), Cases);
        File.WriteAllText(Path.Combine(folder, "mistyped.json"), Cases.Replace("\"cases\"", "\"case\""));
        string[] stems = ["good", "mistyped", "alone"];
        foreach (string stem in stems)
        {
            File.WriteAllBytes(Path.Combine(folder, stem + ".safetensors"), []);
        }

        var golden = new GoldenFolder(folder);
        Assert.That(golden.Orphans.Select(Path.GetFileNameWithoutExtension), Is.EquivalentTo(stems[1..]));
        Assert.That(golden.Files.Select(file => file.Stem), Is.EqualTo(stems[..1]));
    }

    [Test]
    public void PrefixStandsBeforeEveryRecipeName()
    {
        GoldenCase c = Open(0);
        Assert.That(c.RecipeName("x"), Is.EqualTo("other/b/0/x"));
        Assert.That(c.WeightPrefix, Is.EqualTo("other/net/"));
        Assert.That(c.Input("x", [2, 3]), Is.EqualTo(Recipe.Tensor("other/b/0/x", 6)));
    }

    [Test]
    public void ConfigIsTheCasesOwnOrTheFiles()
    {
        Assert.That(Open(0).Config.GetProperty("width").GetInt32(), Is.EqualTo(3));
        Assert.That(Open(1).Config.GetProperty("width").GetInt32(), Is.EqualTo(4));
    }

    [Test]
    public void ModelToleranceFollowsFromTheReferencesOwnError() =>
        Assert.That(Open(0).ModelTolerance("b/0/y"), Is.EqualTo(6e-6).Within(1e-18));

    [TestCase(1.0f, 2.0f, 1e-3, true)]
    [TestCase(1.0f, 2.001f, 1e-3, true)]
    [TestCase(1.0f, 2.003f, 1e-3, false)]
    [TestCase(1.0f, float.NaN, 1e-3, false)]
    [TestCase(float.NegativeInfinity, 2.0f, 1e-3, false)]
    [TestCase(1.0f, 2.0f, 0, true)]
    public void ErrorsAreMeasuredAgainstTheLargestValue(float first, float second, double tolerance, bool passes)
    {
        GoldenCase c = Open(0);
        c.Expect("y", [first, second], [1, 2], tolerance);
        Assert.That(c.Failures, passes ? Is.Empty : Is.Not.Empty);
    }

    [Test]
    public void OtherLengthsFail()
    {
        GoldenCase c = Open(0);
        c.Expect("y", [1], [1, 2], 1);
        Assert.That(c.Failures, Is.Not.Empty);
    }

    [Test]
    public void MissingTensorsFail() => Assert.That(() => Open(0).Expected("b/0/y"), Throws.TypeOf<AssertionException>());

    GoldenCase Open(int index)
    {
        string path = Path.Combine(folder, "cases.json");
        File.WriteAllText(path, Cases);
        GoldenFile file = GoldenFile.Open(path)!;
        return new GoldenCase(file, index);
    }
}
