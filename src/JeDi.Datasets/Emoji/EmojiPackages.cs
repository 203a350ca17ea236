using System.Text.Json;
using JeDi.Files;

namespace JeDi.Datasets.Emoji;

/// <summary>One designer's drawing of one thing.</summary>
/// <param name="Name">What it shows, the same for all designers: "red-apple".</param>
/// <param name="Designer">Package that it comes from.</param>
/// <param name="Svg">The drawing.</param>
public sealed record EmojiDrawing(string Name, string Designer, string Svg);

/// <summary>Reads the drawings of things (animals, food, objects, places, activities) out of Iconify's npm packages.</summary>
public static class EmojiPackages
{
    /// <summary>The package whose list of categories counts.</summary>
    const string Listing = "fluent-emoji-flat";

    static readonly string[] categories = ["Animals & Nature", "Food & Drink", "Objects", "Travel & Places", "Activities"];

    /// <summary>Every drawing, designer by designer, by name within.</summary>
    /// <param name="folder">Holds node_modules/@iconify-json.</param>
    /// <exception cref="FileException">A package is missing or damaged: says which command gets it.</exception>
    public static IReadOnlyList<EmojiDrawing> Read(string folder)
    {
        using JsonDocument metadata = Parse(folder, Listing, "metadata.json");
        string[] names =
        [
            .. metadata.RootElement.GetProperty("categories").EnumerateObject()
                .Where(category => categories.Contains(category.Name))
                .SelectMany(category => category.Value.EnumerateArray().Select(name => name.GetString()!))
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];
        var drawings = new List<EmojiDrawing>();
        foreach (EmojiDesigner designer in EmojiDesigner.All)
        {
            using JsonDocument package = Parse(folder, designer.Package, "icons.json");
            drawings.AddRange(names
                .Select(name => (name, Svg: Svg(package.RootElement, name)))
                .Where(found => found.Svg is not null)
                .Select(found => new EmojiDrawing(found.name, designer.Package, found.Svg!)));
        }

        return drawings;
    }

    static JsonDocument Parse(string folder, string package, string file)
    {
        string path = Path.Combine(folder, "node_modules", "@iconify-json", package, file);
        if (!File.Exists(path))
        {
            throw new FileException(path, $"is missing; get the drawings with: {EmojiDesigner.Install(folder)}");
        }

        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException error)
        {
            throw new FileException(path, $"is damaged; get it anew with: {EmojiDesigner.Install(folder)}", error);
        }
    }

    /// <summary>The drawing of a name or of what it is an alias of, as a file of its own.</summary>
    static string? Svg(JsonElement package, string name)
    {
        JsonElement icons = package.GetProperty("icons");
        if (!icons.TryGetProperty(name, out JsonElement icon))
        {
            bool alias = package.TryGetProperty("aliases", out JsonElement aliases) & aliases.ValueKind == JsonValueKind.Object;
            if (!alias || !aliases.TryGetProperty(name, out JsonElement other)
                || !icons.TryGetProperty(other.GetProperty("parent").GetString()!, out icon))
            {
                return null;
            }
        }

        double Number(string key, double otherwise) =>
            icon.TryGetProperty(key, out JsonElement own) ? own.GetDouble()
            : package.TryGetProperty(key, out JsonElement all) ? all.GetDouble()
            : otherwise;

        return FormattableString.Invariant(
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"{Number("left", 0)} ")
            + FormattableString.Invariant($"{Number("top", 0)} {Number("width", 16)} {Number("height", 16)}\">")
            + icon.GetProperty("body").GetString() + "</svg>";
    }
}
