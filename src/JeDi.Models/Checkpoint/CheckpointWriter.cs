using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>What a converted checkpoint is to be.</summary>
public sealed record ConvertOptions
{
    /// <summary>One safetensors file instead of a folder.</summary>
    public bool SingleFile { get; init; }

    /// <summary>Element type of all weights; null: each as it is.</summary>
    public DType? Type { get; init; }

    /// <summary>Input channels of the U-Net: 9 makes a JeDi of a 4-channel model; null: as they are.</summary>
    public int? Channels { get; init; }

    /// <summary>Folder with vocab.json and merges.txt for the folder form; null: the model's own.</summary>
    public string? TokenizerFolder { get; init; }
}

/// <summary>Writes a checkpoint in either form, tensor by tensor, whole or not at all.</summary>
public static class CheckpointWriter
{
    static readonly string[] tokenizerFiles =
        ["vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json", "LICENSE"];

    /// <summary>Every file that the folder form may have, by its path in it.</summary>
    public static IReadOnlyList<string> FolderFiles { get; } =
    [
        Checkpoint.UNetFile,
        Checkpoint.VaeFile,
        Checkpoint.TextFile,
        Checkpoint.SchedulerFile,
        Checkpoint.IndexFile,
        .. Enum.GetValues<Component>().Select(WeightFile),
        .. tokenizerFiles.Select(name => $"{CheckpointFolder.TokenizerName}/{name}"),
    ];

    /// <param name="from">The checkpoint, LoRAs merged.</param>
    /// <param name="to">Folder (new or empty) or file.</param>
    /// <param name="progress">Told the share that is written, 0 to 1.</param>
    /// <param name="wrap">Stands between the writer and each file, so that a test can let writing fail.</param>
    /// <exception cref="CheckpointException">The wish cannot be met.</exception>
    /// <exception cref="FileException">Something cannot be written; nothing is left.</exception>
    public static void Write(
        Checkpoint from, string to, ConvertOptions options, IProgress<double>? progress = null, Func<Stream, Stream>? wrap = null)
    {
        var job = new Job(from, options, progress, wrap);
        if (options.SingleFile)
        {
            job.WriteFile(to);
        }
        else
        {
            job.WriteFolder(to);
        }
    }

    static string WeightFile(Component component) =>
        $"{CheckpointFolder.Name(component)}/{CheckpointFolder.Stem(component)}.safetensors";

    sealed class Job
    {
        readonly Checkpoint from;
        readonly ConvertOptions options;
        readonly IProgress<double>? progress;
        readonly Func<Stream, Stream>? wrap;
        readonly long total;
        long written;

        public Job(Checkpoint from, ConvertOptions options, IProgress<double>? progress, Func<Stream, Stream>? wrap)
        {
            this.from = options.Channels is int channels && channels != from.UNet.InChannels ? from.Widened(channels) : from;
            this.options = options;
            this.progress = progress;
            this.wrap = wrap;
            total = Math.Max(1, Enum.GetValues<Component>().SelectMany(Items).Sum(item => item.Item.Bytes));
        }

        public void WriteFile(string to)
        {
            var items = Enum.GetValues<Component>().SelectMany(Items).ToDictionary(item => item.FileName);
            var metadata = new Dictionary<string, string>(from.Configs) { ["format"] = "pt" };
            SafetensorsWriter.Write(
                to,
                [.. items.Select(item => item.Value.Item with { Name = item.Key, Shape = item.Value.FileShape })],
                metadata,
                (item, stream) => Put(items[item.Name], stream),
                wrap);
        }

        public void WriteFolder(string to)
        {
            string tokenizer = options.TokenizerFolder ?? from.TokenizerFolder
                ?? throw new CheckpointException($"{from.Origin}: has no tokenizer for a folder; name one as EngineOptions.Tokenizer");
            from.OpenTokenizer(tokenizer);
            string folder = Path.GetFullPath(to).TrimEnd(Path.DirectorySeparatorChar);
            if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            {
                throw new CheckpointException($"{to}: exists already; name a new or an empty folder");
            }

            string temporary = $"{folder}.{Environment.ProcessId}.tmp";
            try
            {
                WriteParts(temporary, tokenizer);
                if (Directory.Exists(folder))
                {
                    Directory.Delete(folder);
                }

                Directory.Move(temporary, folder);
            }
            catch (Exception error)
            {
                Remove(temporary);
                if (error is IOException or UnauthorizedAccessException)
                {
                    throw new FileException(to, $"cannot be written: {error.Message.ReplaceLineEndings(" ")}", error);
                }

                throw;
            }
        }

        void WriteParts(string folder, string tokenizer)
        {
            foreach ((string name, string text) in from.Configs)
            {
                string path = Path.Combine(folder, name);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                AtomicFile.Write(path, System.Text.Encoding.UTF8.GetBytes(text), wrap);
            }

            string ownTokenizer = Directory.CreateDirectory(Path.Combine(folder, CheckpointFolder.TokenizerName)).FullName;
            foreach (string name in tokenizerFiles.Where(name => File.Exists(Path.Combine(tokenizer, name))))
            {
                AtomicFile.Write(Path.Combine(ownTokenizer, name), File.ReadAllBytes(Path.Combine(tokenizer, name)), wrap);
            }

            foreach (Component component in Enum.GetValues<Component>())
            {
                var items = Items(component).ToDictionary(item => item.Item.Name);
                SafetensorsWriter.Write(
                    Path.Combine(folder, WeightFile(component)),
                    [.. items.Values.Select(item => item.Item)],
                    new Dictionary<string, string> { ["format"] = "pt" },
                    (item, stream) => Put(items[item.Name], stream),
                    wrap);
            }
        }

        IEnumerable<Entry> Items(Component component)
        {
            foreach (StoredWeight weight in from.Weights(component))
            {
                long[] sizes = [.. weight.Shape.Select(size => (long)size)];
                yield return new Entry(
                    new SafetensorsItem(weight.Name, Numbers.ToFile(options.Type ?? weight.Type), sizes),
                    KeyMap.ToFile(component, weight.Name, from.UNet, from.Vae),
                    KeyMap.StoredAsFilter(component, weight.Name) && sizes.Length == 2 ? [.. sizes, 1, 1] : sizes,
                    component,
                    weight);
            }
        }

        void Put(Entry entry, Stream stream)
        {
            (string name, Shape shape, DType kept) = entry.Weight;
            IWeightSource source = from.Source(entry.Component);
            source.TryFind(name, shape, out _, out DType read);
            DType type = options.Type ?? kept;
            var bytes = new byte[shape.Count * read.Size()];
            source.Read(name, shape, bytes);
            if (type != read)
            {
                var values = new float[shape.Count];
                Numbers.ToFloat(bytes, read, values);
                bytes = new byte[values.Length * type.Size()];
                Numbers.FromFloat(values, type, bytes);
            }

            stream.Write(bytes);
            written += bytes.Length;
            progress?.Report((double)written / total);
        }

        static void Remove(string folder)
        {
            try
            {
                if (Directory.Exists(folder))
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The first failure is the one to report.
            }
        }
    }

    /// <summary>A weight to be written: as an item of the folder form, and its name and shape in the single file.</summary>
    sealed record Entry(SafetensorsItem Item, string FileName, long[] FileShape, Component Component, StoredWeight Weight);
}
