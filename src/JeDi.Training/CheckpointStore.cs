using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Files.Safetensors;

namespace JeDi.Training;

/// <summary>Where a run stands: all that its next step depends on.</summary>
/// <param name="Step">Steps that are done.</param>
/// <param name="Updates">Updates since the moments began.</param>
/// <param name="Settings">The options.</param>
/// <param name="Parameters">Names and shapes of what learns, in order.</param>
/// <param name="Numbers">Values, first and second moments, averages.</param>
sealed record TrainingState(long Step, long Updates, JsonObject Settings, string Parameters, IReadOnlyDictionary<string, float[]> Numbers);

/// <summary>
/// The checkpoints of a run: folders <c>step-00001000</c>, each with the state and, in <c>model</c>, the averaged weights as a model that
/// can be sampled. A folder is written under another name and renamed when it is whole.
/// </summary>
sealed class CheckpointStore(string folder, int keep)
{
    const string Prefix = "step-";
    const string StateFile = "state.safetensors";
    const string DescriptionFile = "training.json";
    const string Unfinished = ".tmp";

    /// <summary>The checkpoints that there are, newest first.</summary>
    public IReadOnlyList<string> All => !Directory.Exists(folder)
        ? []
        : [.. Directory.EnumerateDirectories(folder, $"{Prefix}*")
            .Where(path => long.TryParse(Path.GetFileName(path)[Prefix.Length..], out _))
            .OrderByDescending(path => path, StringComparer.Ordinal)];

    /// <summary>Writes a checkpoint and removes those that are too many.</summary>
    /// <param name="state">The run.</param>
    /// <param name="writeModel">Writes the model into the folder of that name.</param>
    /// <returns>The checkpoint's folder.</returns>
    /// <exception cref="FileException">It cannot be written; those before it are whole.</exception>
    public string Write(TrainingState state, Action<string> writeModel)
    {
        string path = Path.Combine(folder, $"{Prefix}{state.Step:00000000}");
        string temporary = path + Unfinished;
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string left in Directory.EnumerateDirectories(folder, $"{Prefix}*{Unfinished}"))
            {
                Directory.Delete(left, recursive: true);
            }

            if (Directory.Exists(path))
            {
                Directory.Move(path, temporary);
                Directory.Delete(temporary, recursive: true);
            }

            Directory.CreateDirectory(temporary);
            writeModel(Path.Combine(temporary, "model"));
            WriteNumbers(Path.Combine(temporary, StateFile), state.Numbers);
            var description = new JsonObject
            {
                ["step"] = state.Step,
                ["updates"] = state.Updates,
                ["settings"] = state.Settings.DeepClone(),
                ["parameters"] = state.Parameters,
                ["hash"] = Hash(state.Numbers),
            };
            AtomicFile.Write(Path.Combine(temporary, DescriptionFile), JsonSerializer.SerializeToUtf8Bytes(description));
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
    public TrainingState? ReadNewest(Action<string> report)
    {
        foreach (string path in All)
        {
            try
            {
                return Read(path);
            }
            catch (Exception error) when (error is FileException or JsonException or InvalidOperationException or NullReferenceException
                or FormatException)
            {
                report($"{path}: damaged, the one before it is taken ({error.Message.ReplaceLineEndings(" ")})");
            }
        }

        return null;
    }

    static TrainingState Read(string path)
    {
        string description = Path.Combine(path, DescriptionFile);
        JsonObject json = JsonNode.Parse(WholeFile.Read(description, 64 << 20, "a description of a checkpoint"))!.AsObject();
        string file = Path.Combine(path, StateFile);
        using SafetensorsFile state = SafetensorsFile.Open(file);
        var numbers = state.Entries.ToDictionary(entry => entry.Name, state.ReadFloats);
        if ((string)json["hash"]! != Hash(numbers))
        {
            throw new FileException(file, "its numbers are not those that were written");
        }

        return new TrainingState(
            (long)json["step"]!, (long)json["updates"]!, json["settings"]!.AsObject(), (string)json["parameters"]!, numbers);
    }

    static void WriteNumbers(string path, IReadOnlyDictionary<string, float[]> numbers) => SafetensorsWriter.Write(
        path,
        [.. numbers.Select(entry => new SafetensorsItem(entry.Key, SafetensorsType.F32, [entry.Value.LongLength]))],
        null,
        (item, stream) => stream.Write(MemoryMarshal.AsBytes<float>(numbers[item.Name])));

    static string Hash(IReadOnlyDictionary<string, float[]> numbers)
    {
        var hash = new XxHash128();
        foreach ((string name, float[] values) in numbers.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            hash.Append(System.Text.Encoding.UTF8.GetBytes(name));
            hash.Append(MemoryMarshal.AsBytes<float>(values));
        }

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
