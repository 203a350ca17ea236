using System.Text.Json;
using JeDi.Files;
using JeDi.Tensors;
using JeDi.Tests.Precision;
using JeDi.Tests.Simulator;

namespace JeDi.Tests.Golden;

/// <summary>
/// Every case of every file of the golden folder, on every device it is meant for. A case is run by what its <c>op</c> says; see
/// <see cref="GoldenRunners"/>.
/// </summary>
[Category("Golden")]
public sealed class GoldenTests
{
    static readonly string[] gradientKeys = ["grad_digest", "parameter_digest"];

    [TestCaseSource(nameof(Cases))]
    public void Case(GoldenFile file, int index, string target)
    {
        JsonElement json = file.Cases[index];
        string op = json.GetProperty("op").GetString()!;
        if (!GoldenRunners.All.TryGetValue(op, out (GoldenTargets Targets, GoldenRunner Run) entry))
        {
            Assert.Fail($"{file.FilePath}: case {index} has the op '{op}', which nothing here runs");
        }

        string? difference = null;
        Allowance.Run(
            target,
            () =>
            {
                using Device? device = entry.Targets == GoldenTargets.Host ? null : Targets.MakeForFloats(target);
                var c = new GoldenCase(file, index, device, target);
                entry.Run(c);
                c.Finish();
            },
            body => difference = BlockOrders.Run(body));
        Assert.That(difference, Is.Null);
    }

    /// <summary>The gradients that a case stores.</summary>
    [TestCaseSource(nameof(GradientCases))]
    public void Gradients(GoldenFile file, int index, string target)
    {
        using Device device = Targets.Make(target);
        var c = new GoldenCase(file, index, device, target);
        GoldenRunners.Gradients[c.Op](c);
        c.Finish();
    }

    /// <summary>A file that yields no case would pass unseen.</summary>
    [TestCaseSource(nameof(Files))]
    public void FileYieldsCases(GoldenFile file)
    {
        Assert.That(file.Cases.ValueKind, Is.EqualTo(JsonValueKind.Array), $"{file.FilePath}: 'cases' is no list");
        Assert.That(file.Cases.GetArrayLength(), Is.Positive, $"{file.FilePath}: the list of cases is empty");
    }

    /// <summary>A file whose list of cases has another name would pass unseen, too.</summary>
    [Test]
    public void FolderHasFiles()
    {
        Assert.That(GoldenFolder.Current.Files, Is.Not.Empty, $"no golden file in {GoldenFolder.Current.Path}");
        Assert.That(GoldenFolder.Current.Orphans, Is.Empty, "safetensors without a JSON beside them that has 'cases'");
    }

    static IEnumerable<TestCaseData> Files() =>
        GoldenFolder.Current.Files.Select(file => new TestCaseData(file).SetArgDisplayNames(file.Stem));

    static IEnumerable<TestCaseData> Cases() => GoldenFolder.Current.Files
        .Where(file => file.Cases.ValueKind == JsonValueKind.Array)
        .SelectMany(file => Enumerable.Range(0, file.Cases.GetArrayLength()).SelectMany(index => Entries(file, index)));

    static IEnumerable<TestCaseData> Entries(GoldenFile file, int index)
    {
        JsonElement json = file.Cases[index];
        string op = json.GetProperty("op").GetString()!;
        string label = $"{file.Stem}/{GoldenCase.Label(json, index)}";
        if (!GoldenRunners.All.ContainsKey(op) && GoldenRunners.Gradients.ContainsKey(op))
        {
            yield break;
        }

        foreach (TestCaseData data in OnEachTarget(op, target => new TestCaseData(file, index, target).SetArgDisplayNames(label, target)))
        {
            yield return data;
        }

        if (HasGradients(file, json) && !GoldenRunners.Gradients.ContainsKey(op))
        {
            yield return Skipped(file, index, label, "gradients", "gradients belong to training");
        }
    }

    static IEnumerable<TestCaseData> GradientCases() => GoldenFolder.Current.Files
        .Where(file => file.Cases.ValueKind == JsonValueKind.Array)
        .SelectMany(file => Enumerable.Range(0, file.Cases.GetArrayLength()).Select(index => (File: file, Index: index)))
        .Where(entry => HasGradients(entry.File, entry.File.Cases[entry.Index])
            && GoldenRunners.Gradients.ContainsKey(entry.File.Cases[entry.Index].GetProperty("op").GetString()!))
        .SelectMany(entry => Targets.EachLevel(target => new TestCaseData(entry.File, entry.Index, target)
            .SetArgDisplayNames($"{entry.File.Stem}/{GoldenCase.Label(entry.File.Cases[entry.Index], entry.Index)}", target)));

    static bool HasGradients(GoldenFile file, JsonElement json) =>
        gradientKeys.Any(key => json.TryGetProperty(key, out _)) || StoresGradients(file, json);

    static TestCaseData Skipped(GoldenFile file, int index, string label, string what, string reason) =>
        new TestCaseData(file, index, what).SetArgDisplayNames(label, what).Ignore(reason);

    static IEnumerable<TestCaseData> OnEachTarget(string op, Func<string, TestCaseData> make) =>
        (GoldenRunners.All.TryGetValue(op, out (GoldenTargets Targets, GoldenRunner Run) entry) ? entry.Targets : GoldenTargets.Host) switch
        {
            GoldenTargets.EveryLevel => Targets.EachLevel(make).Select(data => data.SetCategory("Target")),
            GoldenTargets.Widest => Targets.Widest.Select(make).Select(data => data.SetCategory("Target")),
            _ => [make(Targets.Host)],
        };

    /// <summary>A case with recipe inputs stores the gradient of each as '&lt;tag&gt;/d&lt;input&gt;'.</summary>
    static bool StoresGradients(GoldenFile file, JsonElement json) =>
        json.TryGetProperty("inputs", out JsonElement inputs)
        && json.TryGetProperty("tag", out JsonElement tag)
        && inputs.EnumerateObject().Any(input => file.Tensors.ContainsKey($"{tag.GetString()}/d{input.Name}"));
}
