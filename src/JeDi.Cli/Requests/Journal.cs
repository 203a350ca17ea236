using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using JeDi.Files;

namespace JeDi.Cli.Requests;

/// <summary>
/// Which pictures a run from a file of prompts makes, kept beside them (<c>NAME.journal.json</c>), so that the same command goes on where
/// it stopped. Their names are written here before the pictures are, and those that are there are not made again.
/// </summary>
public sealed class Journal
{
    readonly string path;
    readonly JournalState state;
    readonly Dictionary<string, JournalEntry> entries;

    Journal(string path, JournalState state)
    {
        this.path = path;
        this.state = state;
        entries = state.Sets.ToDictionary(entry => entry.Key);
    }

    public string Path => path;

    /// <summary>The run's seed, kept where none is given, so that a resumed run draws the same pictures.</summary>
    public long Seed => state.Seed;

    /// <summary>The journal of a prompts file in an output folder; a new one takes the seed.</summary>
    /// <exception cref="FileException">It exists and is no journal.</exception>
    public static Journal Open(string folder, string prompts, long newSeed)
    {
        string path = System.IO.Path.Combine(folder, System.IO.Path.GetFileName(prompts) + ".journal.json");
        if (!File.Exists(path))
        {
            return new Journal(path, new JournalState { Seed = newSeed });
        }

        try
        {
            return new Journal(path, JsonSerializer.Deserialize(File.ReadAllBytes(path), JournalJson.Default.JournalState)!);
        }
        catch (Exception error) when (error is JsonException or ArgumentException or NullReferenceException)
        {
            throw new FileException(path, "is not a journal of finished prompts; remove it to start over", error);
        }
    }

    /// <summary>A name for a set of pictures: the digest of all wishes that can change them.</summary>
    public static string Key(SampleSettings set)
    {
        SampleSettings counts = set with { Threads = null, Device = null };
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(counts.ToJson().ToJsonString()));
        return Convert.ToHexStringLower(digest, 0, 16);
    }

    /// <summary>Names of all pictures that were made or planned.</summary>
    public IEnumerable<string> Files => entries.Values.SelectMany(entry => entry.Files);

    /// <summary>Names of the set's pictures, or null.</summary>
    public IReadOnlyList<string>? Planned(string key) => entries.GetValueOrDefault(key)?.Files;

    public void Plan(string key, IReadOnlyList<string> files)
    {
        entries[key] = new JournalEntry(key, [.. files]);
        state.Sets = [.. entries.Values];
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(state, JournalJson.Default.JournalState));
    }
}

/// <param name="Key">See <see cref="Journal.Key"/>.</param>
/// <param name="Files">The pictures' names in the folder.</param>
public sealed record JournalEntry(string Key, string[] Files);

public sealed class JournalState
{
    public long Seed { get; set; }

    public JournalEntry[] Sets { get; set; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(JournalState))]
sealed partial class JournalJson : JsonSerializerContext;
