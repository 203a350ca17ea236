using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using JeDi.Files;

namespace JeDi.Cli.Requests;

/// <summary>
/// What a run from a file of prompts has finished, kept beside the pictures (<c>NAME.journal.json</c>), so that the same command goes on
/// where it stopped. The names of a set's pictures are written before the pictures, so a crash between two of them repeats neither.
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

    /// <summary>A name for a set of pictures: the digest of all its wishes.</summary>
    public static string Key(SampleSettings set)
    {
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(set.ToJson().ToJsonString()));
        return Convert.ToHexStringLower(digest, 0, 16);
    }

    /// <summary>Names of all pictures that were made or planned.</summary>
    public IEnumerable<string> Files => entries.Values.SelectMany(entry => entry.Files);

    /// <summary>Whether the set was finished before.</summary>
    public bool IsDone(string key) =>
        entries.TryGetValue(key, out JournalEntry? entry) && (entry.Done || entry.Files.All(InFolder));

    /// <summary>Names planned for the set by a run that was cut off, or null.</summary>
    public IReadOnlyList<string>? Planned(string key) => entries.GetValueOrDefault(key)?.Files;

    public void Plan(string key, IReadOnlyList<string> files) => Put(new JournalEntry(key, [.. files], Done: false));

    public void Finish(string key) => Put(entries[key] with { Done = true });

    bool InFolder(string name) => File.Exists(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path)!, name));

    void Put(JournalEntry entry)
    {
        entries[entry.Key] = entry;
        state.Sets = [.. entries.Values];
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(state, JournalJson.Default.JournalState));
    }
}

/// <param name="Key">See <see cref="Journal.Key"/>.</param>
/// <param name="Files">The pictures' names in the folder.</param>
/// <param name="Done">All of them are written.</param>
public sealed record JournalEntry(string Key, string[] Files, bool Done);

public sealed class JournalState
{
    public long Seed { get; set; }

    public JournalEntry[] Sets { get; set; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(JournalState))]
sealed partial class JournalJson : JsonSerializerContext;
