using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Files.Sets;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>The model that a run starts from, made where it does not exist as it is needed.</summary>
static class BaseModel
{
    /// <summary>Of a run's folder: the model that it starts from, where that had to be made.</summary>
    public const string Folder = "base";

    const string Scratch = "scratch";
    const int JeDiChannels = 9;

    /// <summary>Sets of a source whose captions make the vocabulary.</summary>
    const int MostSetsRead = 50_000;

    /// <summary>Where that model is, once it is opened.</summary>
    public static string Path(TrainingOptions options)
    {
        string own = System.IO.Path.Combine(options.Out, Folder);
        return Directory.Exists(own) ? own : options.From;
    }

    /// <summary>
    /// Opens the model of the options. One from scratch, and one whose input has to become wider, is written to the run's folder first, so
    /// that a run that is resumed finds it.
    /// </summary>
    public static Checkpoint Open(TrainingOptions options, TrainingSources sources, Action<string> report)
    {
        string own = System.IO.Path.Combine(options.Out, Folder);
        if (Directory.Exists(own))
        {
            return Checkpoint.Open(own);
        }

        if (options.From == Scratch)
        {
            Create(options, sources, own, report);
            return Checkpoint.Open(own);
        }

        Checkpoint model = Checkpoint.Open(options.From);
        if (!options.Trains("unet") || model.UNet.InputLayout != InputLayout.Noisy)
        {
            // New input channels would be of no use where their filters do not learn.
            return model;
        }

        using (model)
        {
            report($"{options.From}: {model.UNet.InChannels} input channels become {JeDiChannels}");
            CheckpointWriter.Write(model, own, new ConvertOptions { Channels = JeDiChannels, TokenizerFolder = options.Tokenizer });
        }

        return Checkpoint.Open(own);
    }

    static void Create(TrainingOptions options, TrainingSources sources, string folder, Action<string> report)
    {
        IEnumerable<string> captions = sources.Data.SelectMany(source => Enumerable.Range(0, Math.Min(source.Count, MostSetsRead))
            .SelectMany(index => Captions(source, index)));
        string tokenizer = System.IO.Path.Combine(options.Out, "tokenizer");
        int entries = VocabularyLearner.Write(tokenizer, captions, options.Vocabulary);
        report($"a model from scratch: preset {options.Preset}, a vocabulary of {entries} entries");
        Dictionary<string, string> configs = Presets.Files(options.Preset, JeDiChannels)
            .ToDictionary(file => file.Key, file => Adapted(file.Key, file.Value, entries, options));
        using Checkpoint model = Checkpoint.Of(
            Scratch, configs, component => new ScratchSource(component, options.Seed), tokenizer);
        CheckpointWriter.Write(model, folder, new ConvertOptions());
        Directory.Delete(tokenizer, recursive: true);
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
}
