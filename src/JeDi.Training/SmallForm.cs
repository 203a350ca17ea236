using System.Runtime.InteropServices;
using JeDi.Files;
using JeDi.Files.Safetensors;

namespace JeDi.Training;

/// <summary>
/// The small form of a run: a folder of its own with the newest checkpoint's values and averages as F16, without the optimiser's moments,
/// and the averaged model beside it. A run that goes on from it collects moments before its first step.
/// </summary>
static class SmallForm
{
    const string Unfinished = ".tmp";

    /// <summary>What stays of the numbers.</summary>
    static readonly string[] kept = ["average", "values"];

    /// <param name="path">A checkpoint.</param>
    /// <param name="state">Its state.</param>
    /// <param name="folder">New.</param>
    /// <exception cref="FileException">It cannot be written; nothing is left.</exception>
    public static void Write(string path, TrainingState state, string folder)
    {
        if (Directory.Exists(folder) || File.Exists(folder))
        {
            throw new FileException(folder, "exists already; name a new folder");
        }

        string temporary = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Unfinished;
        try
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }

            string to = Directory.CreateDirectory(Path.Combine(temporary, Path.GetFileName(path))).FullName;
            CopyResult(path, temporary, to);
            using SafetensorsFile from = SafetensorsFile.Open(Path.Combine(path, CheckpointStore.StateFile));
            WriteNumbers(from, Path.Combine(to, CheckpointStore.StateFile));
            using SafetensorsFile small = SafetensorsFile.Open(Path.Combine(to, CheckpointStore.StateFile));
            CheckpointStore.WriteDescription(to, state with { Updates = 0 }, CheckpointStore.HashOf(small));
            Directory.Move(temporary, folder);
        }
        catch (Exception error)
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }

            if (error is (IOException or UnauthorizedAccessException) and not FileException)
            {
                throw new FileException(folder, $"cannot be written: {error.Message.ReplaceLineEndings(" ")}", error);
            }

            throw;
        }
    }

    /// <summary>The model becomes the base that a run goes on from; a file of low-rank changes goes along.</summary>
    static void CopyResult(string path, string run, string to)
    {
        string model = Path.Combine(path, Trainer.ModelFolder);
        foreach (string file in Directory.Exists(model) ? Directory.EnumerateFiles(model, "*", SearchOption.AllDirectories) : [])
        {
            string copy = Path.Combine(run, BaseModel.Folder, Path.GetRelativePath(model, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        string lora = Path.Combine(path, Trainer.LoraFile);
        if (File.Exists(lora))
        {
            File.Copy(lora, Path.Combine(to, Trainer.LoraFile));
        }
    }

    static void WriteNumbers(SafetensorsFile from, string path) => SafetensorsWriter.Write(
        path,
        [.. kept.Select(name => new SafetensorsItem(name, SafetensorsType.F16, [Entry(from, name).Count]))],
        null,
        (item, stream) => CheckpointStore.Each(Entry(from, item.Name).Count, (first, count) =>
        {
            var values = new float[count];
            from.ReadFloats(Entry(from, item.Name), values, first);
            Half[] halves = [.. values.Select(value => (Half)value)];
            if (halves.Any(value => !Half.IsFinite(value)))
            {
                throw new FileException(path, $"a weight of {values.Max(Math.Abs)} is too large for F16");
            }

            stream.Write(MemoryMarshal.AsBytes<Half>(halves));
        }));

    static SafetensorsEntry Entry(SafetensorsFile file, string name) =>
        file.Find(name) ?? throw new FileException(file.Path, $"has no '{name}'");
}
