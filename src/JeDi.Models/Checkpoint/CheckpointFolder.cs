using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>The diffusers folder: configs, weights and tokenizer in subfolders.</summary>
static class CheckpointFolder
{
    /// <summary>Subfolder of the tokenizer.</summary>
    public const string TokenizerName = "tokenizer";

    static readonly string[] wantedConfigs = [Checkpoint.UNetFile, Checkpoint.VaeFile, Checkpoint.TextFile];
    static readonly string[] otherConfigs = [Checkpoint.SchedulerFile, Checkpoint.IndexFile];

    /// <summary>Subfolder of a component.</summary>
    public static string Name(Component component) => component switch
    {
        Component.UNet => "unet",
        Component.Vae => "vae",
        _ => "text_encoder",
    };

    /// <summary>File name, without ending, of a component's weights.</summary>
    public static string Stem(Component component) => component == Component.TextEncoder ? "model" : "diffusion_pytorch_model";

    public static Checkpoint Open(string folder)
    {
        var configs = new Dictionary<string, string>();
        foreach (string file in wantedConfigs.Concat(otherConfigs))
        {
            string path = Path.Combine(folder, file);
            if (File.Exists(path))
            {
                configs.Add(file, ConfigReader.ReadText(path));
            }
            else if (wantedConfigs.Contains(file))
            {
                throw new CheckpointException($"{folder}: no model folder, {file} is missing");
            }
        }

        var files = new List<SafetensorsSet>();
        try
        {
            return new Checkpoint(
                folder,
                CheckpointForm.Folder,
                configs,
                (_, _) => Checkpoint.EachComponent(component => Source(folder, component, files)),
                files,
                Tokenizer(folder));
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    static SafetensorsSource Source(string folder, Component component, List<SafetensorsSet> files)
    {
        SafetensorsSet file = SafetensorsSet.Open(WeightFile(Path.Combine(folder, Name(component)), Stem(component)));
        files.Add(file);
        return new SafetensorsSource(file, name => OtherNames.Spellings(component, name), OtherNames.Part(component));
    }

    /// <summary>The file of a component's weights, or the index of several.</summary>
    public static string WeightFile(string folder, string stem)
    {
        string[] names =
        [
            $"{stem}.safetensors",
            $"{stem}.fp16.safetensors",
            $"{stem}.safetensors.index.json",
            $"{stem}.fp16.safetensors.index.json",
            $"{stem}.safetensors.index.fp16.json",
        ];
        foreach (string name in names)
        {
            if (File.Exists(Path.Combine(folder, name)))
            {
                return Path.Combine(folder, name);
            }
        }

        bool pickle = Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.bin").Any();
        throw new CheckpointException($"{Path.Combine(folder, names[0])}: missing"
            + (pickle ? "; there are pickles (.bin), which are never run: save the model with safe_serialization=True" : ""));
    }

    static string? Tokenizer(string folder)
    {
        string path = Path.Combine(folder, TokenizerName);
        return File.Exists(Path.Combine(path, "vocab.json")) ? path : null;
    }
}
