using System.Text.Json;

namespace JeDi.Tests.Models;

/// <summary>A tokenizer of single letters, small enough for the text encoder of the tiny recipe.</summary>
static class LetterTokenizer
{
    /// <summary>Writes vocab.json and merges.txt.</summary>
    /// <returns>The folder.</returns>
    public static string Write(string folder)
    {
        Directory.CreateDirectory(folder);
        IEnumerable<string> letters = Enumerable.Range('a', 26).Select(letter => ((char)letter).ToString());
        string[] symbols = [.. letters, .. letters.Select(letter => letter + "</w>"), "<|startoftext|>", "<|endoftext|>"];
        var ids = symbols.Index().ToDictionary(symbol => symbol.Item, symbol => symbol.Index);
        File.WriteAllText(Path.Combine(folder, "vocab.json"), JsonSerializer.Serialize(ids));
        File.WriteAllText(Path.Combine(folder, "merges.txt"), "#version: 0.2\n");
        return folder;
    }
}
