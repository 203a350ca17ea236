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
public sealed class Journal : IDisposable
{
    readonly string path;
    readonly JournalState state;
    readonly Dictionary<string, JournalEntry> entries;

    /// <summary>Open as long as the run lasts, for nobody else.</summary>
    readonly FileStream held;

    Journal(string path, JournalState state, FileStream held)
    {
        this.path = path;
        this.state = state;
        this.held = held;
        entries = state.Sets.ToDictionary(entry => entry.Key);
    }

    public string Path => path;

    /// <summary>The run's seed, kept where none is given, so that a resumed run draws the same pictures.</summary>
    public long Seed => state.Seed;

    /// <summary>The journal of a prompts file in an output folder; a new one takes the seed.</summary>
    /// <exception cref="FileException">It exists and is no journal.</exception>
    public static Journal Open(string folder, string prompts, long newSeed)
    {
        string name = prompts == PromptFile.StandardInput ? "standard-input" : System.IO.Path.GetFileName(prompts);
        string path = System.IO.Path.Combine(folder, name + ".journal.json");
        FileStream held = Hold(path);
        try
        {
            JournalState state = File.Exists(path)
                ? JsonSerializer.Deserialize(File.ReadAllBytes(path), JournalJson.Default.JournalState)!
                : new() { Seed = newSeed };
            return new Journal(path, state, held);
        }
        catch (Exception error) when (error is JsonException or ArgumentException or NullReferenceException)
        {
            held.Dispose();
            throw new FileException(path, "is not a journal of finished prompts; remove it to start over", error);
        }
    }

    public void Dispose() => held.Dispose();

    /// <summary>
    /// What each line's seed is beyond the run's: lines count on from each other, and one that was counted before keeps its place,
    /// wherever it stands now.
    /// </summary>
    /// <param name="lines">A line's text, and the number of its pictures.</param>
    public IReadOnlyList<long> Offsets(IReadOnlyList<(string Text, int Pictures)> lines)
    {
        var known = state.Lines.ToDictionary(line => line.Key);
        long next = known.Values.Select(line => line.Offset + line.Pictures).DefaultIfEmpty(0).Max();
        var seen = new Dictionary<string, int>();
        var offsets = new List<long>();
        foreach ((string text, int pictures) in lines)
        {
            string key = Digest(text);
            int before = seen.GetValueOrDefault(key);
            seen[key] = before + 1;
            key = before == 0 ? key : $"{key}-{before}";
            if (!known.TryGetValue(key, out JournalLine? line))
            {
                known.Add(key, line = new JournalLine(key, next, pictures));
                next += pictures;
            }

            offsets.Add(line.Offset);
        }

        state.Lines = [.. known.Values];
        return offsets;
    }

    static FileStream Hold(string path)
    {
        try
        {
            return new FileStream(
                path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FileException(
                path, "is in use by another run (or cannot be held); wait for it, or choose another folder with --output", error);
        }
    }

    /// <summary>A name for a set of pictures: the digest of all wishes that can change them.</summary>
    public static string Key(SampleSettings set)
    {
        SampleSettings counts = set with { Threads = null, Device = null, Memory = null, LowMemory = false, PreviewVae = null };
        return Digest(counts.ToJson().ToJsonString());
    }

    static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)), 0, 16);

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

    public JournalLine[] Lines { get; set; } = [];
}

/// <param name="Key">Digest of the line, and which of several equal ones it is.</param>
/// <param name="Offset">Of its seed from the run's.</param>
/// <param name="Pictures">Seeds that it takes.</param>
public sealed record JournalLine(string Key, long Offset, int Pictures);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(JournalState))]
sealed partial class JournalJson : JsonSerializerContext;
