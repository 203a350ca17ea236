using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Files.Sets;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// The model that a run starts from. One from scratch, and one whose input has to become wider, is made: it stands nowhere until the run
/// is known to fit (<see cref="Keep"/>), and then in the run's folder, so that a run that is resumed finds it.
/// </summary>
sealed class BaseModel : IDisposable
{
    /// <summary>Of a run's folder: the model that it starts from, where that had to be made.</summary>
    public const string Folder = "base";

    const string Scratch = "scratch";
    const int JeDiChannels = 9;

    /// <summary>Sets of a source whose captions make the vocabulary.</summary>
    const int MostSetsRead = 50_000;

    readonly TrainingOptions options;
    readonly string own;
    readonly bool made;

    /// <summary>A learned vocabulary, until it stands in the model's folder.</summary>
    readonly string? vocabulary;

    /// <param name="options">Of the run.</param>
    /// <param name="sources">Captions for a vocabulary.</param>
    /// <param name="resume">The run goes on from the model that was made for it, if one was.</param>
    /// <param name="report">Told what is made.</param>
    /// <exception cref="CheckpointException">There is no such model.</exception>
    public BaseModel(TrainingOptions options, TrainingSources sources, bool resume, Action<string> report)
    {
        this.options = options;
        own = Path.Combine(options.Out, Folder);
        if (resume && Directory.Exists(own))
        {
            (Location, Model) = (own, Checkpoint.Open(own));
            return;
        }

        if (options.From == Scratch)
        {
            made = true;
            vocabulary = Path.Combine(options.Out, "tokenizer");
            (Location, Model) = (own, FromScratch(options, sources, vocabulary, report));
            return;
        }

        (Location, Model) = (options.From, Checkpoint.Open(options.From));

        // New input channels would be of no use where their filters do not learn.
        if (options.Trains("unet") && Model.UNet.InputLayout == InputLayout.Noisy)
        {
            made = true;
            report($"{options.From}: {Model.UNet.InChannels} input channels become {JeDiChannels}");
            (Location, Model) = (own, Model.Widened(JeDiChannels));
        }
    }

    /// <summary>Open.</summary>
    public Checkpoint Model { get; private set; }

    /// <summary>Where it is, once it is kept.</summary>
    public string Location { get; }

    /// <summary>
    /// Writes what had to be made to the run's folder, in the place of what a run left that ended before its first checkpoint.
    /// </summary>
    /// <exception cref="TrainingException">Something else is there.</exception>
    /// <exception cref="FileException">It cannot be written.</exception>
    public void Keep()
    {
        if (!made)
        {
            return;
        }

        string note = own + ".json";
        if (Directory.Exists(own) && !File.Exists(note))
        {
            throw new TrainingException($"{own}: is there already, and not of a run that only began; name another folder with --out");
        }

        MakeRoom(options.Out);
        AtomicFile.Write(note, JsonSerializer.SerializeToUtf8Bytes(options.ToJson()));
        if (Directory.Exists(own))
        {
            Directory.Delete(own, recursive: true);
        }

        CheckpointWriter.Write(Model, own, new ConvertOptions { TokenizerFolder = vocabulary ?? options.Tokenizer });
        Model.Dispose();
        Model = Checkpoint.Open(own);
        Forget();
    }

    public void Dispose()
    {
        Model.Dispose();
        Forget();
    }

    static void MakeRoom(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FileException(folder, $"cannot be made: {error.Message.ReplaceLineEndings(" ")}", error);
        }
    }

    static Checkpoint FromScratch(TrainingOptions options, TrainingSources sources, string vocabulary, Action<string> report)
    {
        IEnumerable<string> captions = sources.Data.SelectMany(source => Enumerable.Range(0, Math.Min(source.Count, MostSetsRead))
            .SelectMany(index => Captions(source, index)));
        MakeRoom(vocabulary);
        int entries = VocabularyLearner.Write(vocabulary, captions, options.Vocabulary);
        report($"a model from scratch: preset {options.Preset}, a vocabulary of {entries} entries");
        Dictionary<string, string> configs = Presets.Files(options.Preset, JeDiChannels)
            .ToDictionary(file => file.Key, file => Adapted(file.Key, file.Value, entries, options));
        return Checkpoint.Of(Scratch, configs, component => new ScratchSource(component, options.Seed), vocabulary);
    }

    static string Adapted(string file, JsonObject config, int entries, TrainingOptions options)
    {
        if (file == "text_encoder/config.json")
        {
            config["vocab_size"] = entries;
            config["bos_token_id"] = entries - 2;
            config["eos_token_id"] = entries - 1;
            config["pad_token_id"] = entries - 1;
        }

        if (file == "scheduler/scheduler_config.json")
        {
            config["prediction_type"] = options.Prediction;
            if (options.ZeroSnr)
            {
                config["rescale_betas_zero_snr"] = true;
                config["timestep_spacing"] = "trailing";
            }
        }

        return config.ToJsonString();
    }

    static IReadOnlyList<string> Captions(ISetSource source, int index)
    {
        try
        {
            return source.Captions(index);
        }
        catch (FileException)
        {
            // The set will be named when it is read.
            return [];
        }
    }

    /// <summary>The vocabulary, and the run's folder where that was made for it alone.</summary>
    void Forget()
    {
        if (vocabulary is not null && Directory.Exists(vocabulary))
        {
            Directory.Delete(vocabulary, recursive: true);
            if (!Directory.EnumerateFileSystemEntries(options.Out).Any())
            {
                Directory.Delete(options.Out);
            }
        }
    }
}
