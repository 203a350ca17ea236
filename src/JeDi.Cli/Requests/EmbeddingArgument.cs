namespace JeDi.Cli.Requests;

/// <summary><c>FILE[=WORD]</c> of <c>--embedding</c>. A name with an equals sign that exists as it stands is a file.</summary>
static class EmbeddingArgument
{
    /// <exception cref="UsageException">No file, or a word with blanks.</exception>
    public static Embedding Parse(string text)
    {
        int equals = File.Exists(text) ? -1 : text.LastIndexOf('=');
        var embedding = equals < 0 ? new Embedding(text) : new Embedding(text[..equals], text[(equals + 1)..]);
        return embedding.Path.Length == 0 || embedding.Word is "" || embedding.Word?.Any(char.IsWhiteSpace) == true
            ? throw new UsageException($"--embedding {text}: write --embedding toy.safetensors or --embedding toy.safetensors=my-toy")
            : embedding;
    }

    /// <summary>The same with another path.</summary>
    public static string Map(string text, Func<string, string> map)
    {
        Embedding embedding = Parse(text);
        return map(embedding.Path) + (embedding.Word is null ? "" : "=" + embedding.Word);
    }
}
