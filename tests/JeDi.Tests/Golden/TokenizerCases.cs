using JeDi.Files.Tokenizer;

namespace JeDi.Tests.Golden;

/// <summary>Texts to ids, equal, for the small vocabulary beside the golden files and for CLIP's own.</summary>
static class TokenizerCases
{
    static readonly Dictionary<string, ClipTokenizer> Opened = [];

    public static void Run(GoldenCase c)
    {
        string folder = c.Json.GetProperty("vocabulary").GetString() switch
        {
            "tiny" => Path.Combine(c.File.Folder, "tokenizer"),
            "clip" => Repository.Find("weights/clip-tokenizer"),
            var other => throw new AssertionException($"unknown vocabulary '{other}'"),
        };
        ClipTokenizer tokenizer = Opened.TryGetValue(folder, out ClipTokenizer? known) ? known
            : Opened[folder] = ClipTokenizer.Open(folder);
        float[] expected = [.. c.Json.GetProperty("ids").EnumerateArray().Select(id => (float)id.GetInt32())];
        float[] actual = [.. tokenizer.Encode(c.Json.GetProperty("text").GetString()!).Ids.Select(id => (float)id)];
        c.Expect("ids", actual, expected, 0);
    }
}
