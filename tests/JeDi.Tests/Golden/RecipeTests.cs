using System.Text.Json;
using JeDi.Files;

namespace JeDi.Tests.Golden;

[Category("Golden")]
public sealed class RecipeTests
{
    [Test]
    public void NamesGiveTheStoredValues()
    {
        string path = Path.Combine(GoldenFolder.Current.Path, "recipe_check.json");
        Assume.That(path, Does.Exist, "this golden folder has no recipe check");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonProperty entry in document.RootElement.EnumerateObject())
        {
            ulong hash = Recipe.Hash(entry.Name);
            double[] values = [.. Enumerable.Range(0, entry.Value.GetArrayLength()).Select(i => Recipe.Value(hash, i))];
            Assert.That(values, Is.EqualTo(entry.Value.EnumerateArray().Select(value => value.GetDouble())), entry.Name);
        }
    }
}
