using JeDi.Datasets.Emoji;

namespace JeDi.Tests.Datasets;

/// <summary>Packages of drawings that are written here.</summary>
static class TestDrawings
{
    /// <summary>Five packages of things, 32 units a side, as npm would bring them.</summary>
    /// <param name="folder">Where npm would put them.</param>
    /// <param name="names">Things: thing-00 and so on.</param>
    /// <param name="body">SVG elements of a designer's drawing of a thing.</param>
    public static void WritePackages(string folder, int names, Func<EmojiDesigner, int, string> body)
    {
        foreach (EmojiDesigner designer in EmojiDesigner.All)
        {
            string path = Path.Combine(folder, "node_modules", "@iconify-json", designer.Package);
            Directory.CreateDirectory(path);
            IEnumerable<string> icons = Enumerable.Range(0, names)
                .Select(i => $"\"{Name(i)}\": {{ \"body\": \"{body(designer, i)}\" }}");
            string listed = string.Join(",", Enumerable.Range(0, names).Select(i => $"\"{Name(i)}\""));
            string drawn = $"{{ \"icons\": {{ {string.Join(",", icons)} }}, \"width\": 32, \"height\": 32 }}";
            File.WriteAllText(Path.Combine(path, "icons.json"), drawn);
            File.WriteAllText(Path.Combine(path, "metadata.json"), $"{{ \"categories\": {{ \"Objects\": [{listed}] }} }}");
        }

        static string Name(int i) => $"thing-{i:D2}";
    }

    /// <summary>
    /// Things that differ in form: a disc, and on it as many bars as the number says in binary, each in its place; designers differ in
    /// the colours of the two.
    /// </summary>
    public static EmojiLibrary Shapes(string folder, int names)
    {
        WritePackages(folder, names, Body);
        return EmojiLibrary.Render(folder, folder, (_, _) => { });

        static string Body(EmojiDesigner designer, int thing)
        {
            int style = EmojiDesigner.All.Index().First(pair => pair.Item == designer).Index;
            IEnumerable<string> bars = Enumerable.Range(0, 6).Where(bit => (thing >> bit & 1) == 1)
                .Select(bit => $"<rect x='{4 + 4 * bit}' y='{6 + 2 * bit}' width='4' height='12' fill='rgb(20,{60 * style},90)'/>");
            return $"<circle cx='16' cy='16' r='15' fill='rgb(230,{200 - 40 * style},{40 * style})'/>{string.Concat(bars)}";
        }
    }
}
