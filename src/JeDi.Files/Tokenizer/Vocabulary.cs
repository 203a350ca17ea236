using System.Text.Json;

namespace JeDi.Files.Tokenizer;

/// <summary>The symbols of CLIP's tokenizer (<c>vocab.json</c>), each with its id.</summary>
sealed class Vocabulary
{
    const int LargestId = 1 << 24;

    // Of an entry in CLIP's file, on average.
    const int EntryBytes = 16;

    readonly SymbolTable ids;

    Vocabulary(string path, SymbolTable ids, int largest)
    {
        this.ids = ids;
        Largest = largest;
        if (!TryGetId(ClipTokenizer.StartToken, out _) || !TryGetId(ClipTokenizer.EndToken, out int end))
        {
            throw new FileException(
                path, $"lacks {ClipTokenizer.StartToken} or {ClipTokenizer.EndToken}; is this the vocabulary of a CLIP tokenizer?");
        }

        End = end;
    }

    /// <summary>The largest id.</summary>
    public int Largest { get; }

    /// <summary>Id of the token that ends a text.</summary>
    public int End { get; }

    /// <exception cref="FileException">The file is missing or not a JSON object of symbols and ids.</exception>
    public static Vocabulary Read(string path)
    {
        try
        {
            ReadOnlySpan<byte> json = PythonJson.Standard(TokenizerFiles.ReadTable(path)).Span;

            // An unescaped text is never longer than what stands for it.
            var text = new char[json.Length];
            var ids = new SymbolTable(text, json.Length / EntryBytes);
            (int used, int largest) = (0, 0);
            var reader = new Utf8JsonReader(json);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw new JsonException();
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                int length = reader.CopyString(text.AsSpan(used));
                reader.Read();
                int id = reader.GetInt32();
                if (id is < 0 or > LargestId || !ids.TryAdd(used, length, id))
                {
                    throw new FileException(path, $"the entry '{text.AsSpan(used, length)}' is there twice or has an impossible id");
                }

                used += length;
                largest = Math.Max(largest, id);
            }

            // Nothing may follow.
            reader.Read();
            return new Vocabulary(path, ids, largest);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new FileException(path, "is not a vocabulary (a JSON object of token: id)", e);
        }
    }

    /// <summary>The id of a symbol; false where there is none.</summary>
    public bool TryGetId(string symbol, out int id) => ids.TryGetValue(symbol, out id);
}
