using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>Where a run stands: all that its next step depends on, but the numbers.</summary>
/// <param name="Step">Steps that are done.</param>
/// <param name="Updates">Updates since the moments began.</param>
/// <param name="Settings">The options.</param>
/// <param name="Parameters">Names and shapes of what learns, in order.</param>
sealed record TrainingState(long Step, long Updates, JsonObject Settings, string Parameters);

/// <summary>
/// The checkpoints of a run: folders <c>step-00001000</c>, each with the state, its numbers (values, averages and both moments), and what
/// a user takes away: the averaged weights as a model, or the low-rank changes. A folder is written under another name and renamed when it
/// is whole.
/// </summary>
sealed class CheckpointStore(string folder, int keep)
{
    public const string Prefix = "step-";
    public const string StateFile = "state.safetensors";
    public const string DescriptionFile = "training.json";

    const string Unfinished = ".tmp";
    const int Chunk = 1 << 20;

    /// <summary>The checkpoints that there are, newest first.</summary>
    public IReadOnlyList<string> All => !Directory.Exists(folder)
        ? []
        : [.. Directory.EnumerateDirectories(folder, $"{Prefix}*")
            .Where(path => long.TryParse(Path.GetFileName(path)[Prefix.Length..], out _))
            .OrderByDescending(path => path, StringComparer.Ordinal)];

    /// <summary>Writes a checkpoint and removes those that are too many. One that is there already and whole stays.</summary>
    /// <param name="state">The run.</param>
    /// <param name="numbers">F32 tensors by name.</param>
    /// <param name="writeResult">Writes what a user takes away, into the folder.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="FileException">It cannot be written; those before it are whole.</exception>
    public string Write(TrainingState state, IReadOnlyDictionary<string, Tensor> numbers, Action<string> writeResult)
    {
        string path = Path.Combine(folder, $"{Prefix}{state.Step:00000000}");
        if (IsWhole(path))
        {
            return path;
        }

        string temporary = path + Unfinished;
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string left in Directory.EnumerateDirectories(folder, $"{Prefix}*{Unfinished}").Where(Directory.Exists))
            {
                Directory.Delete(left, recursive: true);
            }

            Remove(path);
            Directory.CreateDirectory(temporary);
            writeResult(temporary);
            string hash = WriteNumbers(Path.Combine(temporary, StateFile), numbers);
            WriteDescription(temporary, state, hash);
            Directory.Move(temporary, path);
            foreach (string old in All.Skip(keep))
            {
                Directory.Delete(old, recursive: true);
            }

            return path;
        }
        catch (Exception error)
        {
            Remove(temporary);
            if (error is (IOException or UnauthorizedAccessException) and not FileException)
            {
                throw new FileException(path, $"cannot be written: {error.Message.ReplaceLineEndings(" ")}", error);
            }

            throw;
        }
    }

    /// <summary>The newest checkpoint that is whole; one that is not is passed over with a line.</summary>
    public (string Path, TrainingState State)? ReadNewest(Action<string> report)
    {
        foreach (string path in All)
        {
            try
            {
                return (path, Read(path));
            }
            catch (Exception error) when (error is FileException or JsonException or InvalidOperationException or NullReferenceException
                or FormatException)
            {
                report($"{path}: damaged, the one before it is taken ({error.Message.ReplaceLineEndings(" ")})");
            }
        }

        return null;
    }

    /// <summary>Numbers of a checkpoint into tensors of their size.</summary>
    /// <returns>The names of those that it has; the others are as they were.</returns>
    /// <exception cref="FileException">One has another size.</exception>
    public static IReadOnlySet<string> Fill(string path, IReadOnlyDictionary<string, Tensor> numbers)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(path, StateFile));
        foreach (SafetensorsEntry entry in file.Entries)
        {
            if (!numbers.TryGetValue(entry.Name, out Tensor tensor) || tensor.Count != entry.Count)
            {
                throw new FileException(file.Path, $"has {entry.Count} numbers '{entry.Name}', {tensor.Count} are wanted");
            }

            Each(entry.Count, (first, count) =>
            {
                var values = new float[count];
                file.ReadFloats(entry, values, first);
                tensor.Device.Write<float>(tensor.Rows(checked((int)first), count), values);
            });
        }

        return file.Entries.Select(entry => entry.Name).ToHashSet();
    }

    /// <summary>Writes the description that makes a folder a checkpoint.</summary>
    public static void WriteDescription(string path, TrainingState state, string hash)
    {
        var description = new JsonObject
        {
            ["step"] = state.Step,
            ["updates"] = state.Updates,
            ["settings"] = state.Settings.DeepClone(),
            ["parameters"] = state.Parameters,
            ["hash"] = hash,
        };
        AtomicFile.Write(Path.Combine(path, DescriptionFile), JsonSerializer.SerializeToUtf8Bytes(description));
    }

    /// <summary>Of the names and numbers of a state file, in the order of the names.</summary>
    public static string HashOf(SafetensorsFile file)
    {
        var hash = new XxHash128();
        foreach (SafetensorsEntry entry in file.Entries.OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            hash.Append(Encoding.UTF8.GetBytes(entry.Name));
            Each(entry.Count, (first, count) =>
            {
                var values = new float[count];
                file.ReadFloats(entry, values, first);
                hash.Append(MemoryMarshal.AsBytes<float>(values));
            });
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>Runs over so many numbers in parts.</summary>
    public static void Each(long count, Action<long, int> part)
    {
        for (long first = 0; first < count; first += Chunk)
        {
            part(first, (int)Math.Min(Chunk, count - first));
        }
    }

    static TrainingState Read(string path)
    {
        string description = Path.Combine(path, DescriptionFile);
        JsonObject json = JsonNode.Parse(WholeFile.Read(description, 64 << 20, "a description of a checkpoint"))!.AsObject();
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(path, StateFile));
        if ((string)json["hash"]! != HashOf(file))
        {
            throw new FileException(file.Path, "its numbers are not those that were written");
        }

        return new TrainingState((long)json["step"]!, (long)json["updates"]!, json["settings"]!.AsObject(), (string)json["parameters"]!);
    }

    static bool IsWhole(string path)
    {
        try
        {
            return Directory.Exists(path) && Read(path) is not null;
        }
        catch (Exception error) when (error is FileException or JsonException or InvalidOperationException or NullReferenceException
            or FormatException)
        {
            return false;
        }
    }

    static string WriteNumbers(string path, IReadOnlyDictionary<string, Tensor> numbers)
    {
        var hash = new XxHash128();
        SafetensorsWriter.Write(
            path,
            [
                .. numbers.OrderBy(entry => entry.Key, StringComparer.Ordinal)
                    .Select(entry => new SafetensorsItem(entry.Key, SafetensorsType.F32, [entry.Value.Count])),
            ],
            null,
            (item, stream) =>
            {
                Tensor tensor = numbers[item.Name];
                hash.Append(Encoding.UTF8.GetBytes(item.Name));
                Each(tensor.Count, (first, count) =>
                {
                    float[] values = tensor.Device.ToArray(tensor.Rows(checked((int)first), count));
                    hash.Append(MemoryMarshal.AsBytes<float>(values));
                    stream.Write(MemoryMarshal.AsBytes<float>(values));
                });
            });
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report.
        }
    }
}
