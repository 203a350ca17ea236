using System.Text.Json;

namespace JeDi.Files.Tokenizer;

/// <summary>
/// What stands beside vocabulary and merges: further tokens (<c>added_tokens.json</c>, <c>added_tokens_decoder</c>) and the tokens that
/// begin, end and fill a text (<c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>).
/// </summary>
/// <param name="Added">Id of each further token, as it stands in a text.</param>
/// <param name="Special">Token by its role (<c>bos_token</c>, <c>eos_token</c>, <c>pad_token</c>), where a file says it.</param>
sealed record TokenizerFiles(IReadOnlyDictionary<string, int> Added, IReadOnlyDictionary<string, string> Special)
{
    const int LargestFile = 8 << 20;
    const int LargestTable = 32 << 20;
    const int LargestId = 1 << 24;
    const string Decoder = "added_tokens_decoder";

    static readonly string[] roles = ["bos_token", "eos_token", "pad_token"];

    /// <exception cref="FileException">A file is not what it should be, or asks for what is not computed.</exception>
    public static TokenizerFiles Read(string folder)
    {
        var added = new Dictionary<string, int>(StringComparer.Ordinal);
        var special = new Dictionary<string, string>(StringComparer.Ordinal);
        bool decoded = false;
        WithObject(Path.Combine(folder, "added_tokens.json"), (path, json) =>
        {
            foreach (JsonProperty entry in json.EnumerateObject())
            {
                Add(path, added, entry.Name, entry.Value.GetInt32());
            }
        });
        WithObject(Path.Combine(folder, "tokenizer_config.json"), (path, json) =>
        {
            if (json.TryGetProperty(Decoder, out JsonElement decoder))
            {
                decoded = true;
                ReadDecoder(path, decoder, added);
            }

            ReadRoles(json, special);
            if (json.TryGetProperty("model_max_length", out JsonElement length) && length.ValueKind == JsonValueKind.Number
                && length.GetDouble() < ClipTokenizer.Length)
            {
                throw new FileException(path, $"'model_max_length' is {length.GetRawText()}; texts have {ClipTokenizer.Length} tokens");
            }
        });

        // The older of two files for one thing; where the newer one is there it alone is read.
        if (!decoded)
        {
            WithObject(Path.Combine(folder, "special_tokens_map.json"), (_, json) => ReadRoles(json, special));
        }

        return new TokenizerFiles(added, special);
    }

    /// <summary>The bytes of <c>vocab.json</c> or <c>merges.txt</c>.</summary>
    public static byte[] ReadTable(string path) => WholeFile.Read(
        path, LargestTable, "a tokenizer", "a tokenizer is a folder with vocab.json and merges.txt (name one as EngineOptions.Tokenizer)");

    static void ReadDecoder(string path, JsonElement decoder, Dictionary<string, int> added)
    {
        foreach (JsonProperty entry in decoder.EnumerateObject())
        {
            string token = entry.Value.GetProperty("content").GetString()!;
            if (entry.Value.TryGetProperty("single_word", out JsonElement single) && single.ValueKind == JsonValueKind.True)
            {
                throw new FileException(path, $"the token '{token}' is 'single_word', which is not supported");
            }

            if (!int.TryParse(entry.Name, out int id))
            {
                throw new FileException(path, $"the token '{token}' has the id '{entry.Name}', which is no number");
            }

            Add(path, added, token, id);
        }
    }

    static void Add(string path, Dictionary<string, int> added, string token, int id)
    {
        if (token.Length == 0 || id is < 0 or > LargestId || (added.TryGetValue(token, out int before) && before != id))
        {
            throw new FileException(path, $"the token '{token}' is empty, is there with two ids, or has an impossible one ({id})");
        }

        added[token] = id;
    }

    static void ReadRoles(JsonElement json, Dictionary<string, string> special)
    {
        foreach (string role in roles)
        {
            if (json.TryGetProperty(role, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
            {
                special[role] = (value.ValueKind == JsonValueKind.Object ? value.GetProperty("content") : value).GetString()!;
            }
        }
    }

    static void WithObject(string path, Action<string, JsonElement> read)
    {
        if (!File.Exists(path))
        {
            return;
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(PythonJson.Standard(WholeFile.Read(path, LargestFile, "a tokenizer's settings")));
            read(path, json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new FileException(path, "is not what a tokenizer has under this name", e);
        }
    }
}
