using System.Text.Json;
using System.Text.Json.Serialization;

namespace JeDi.Bench;

/// <summary>One comparison; a ratio over 1 says that ours is faster.</summary>
record Row(
    string Op,
    string Shape,
    int Threads,
    [property: JsonPropertyName("ours_ms")] double Ours,
    string Peer,
    [property: JsonPropertyName("peer_ms")] double Theirs,
    double Ratio)
{
    static readonly JsonSerializerOptions options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    public static void Save(string path, IEnumerable<Row> rows) => File.WriteAllText(path, JsonSerializer.Serialize(rows, options) + "\n");
}
