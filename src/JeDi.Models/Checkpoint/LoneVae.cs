using System.Text.Json.Nodes;
using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>An autoencoder on its own: a folder with config.json and weights, a model folder, or one file of any era.</summary>
static class LoneVae
{
    const string FileName = "config.json";

    /// <summary>Its structure and weights; the file is added to those that are to be closed.</summary>
    /// <param name="path">File or folder.</param>
    /// <param name="usual">Structure of a file, which has no config.</param>
    /// <param name="files">Open files.</param>
    /// <exception cref="CheckpointException">It holds no autoencoder, or one of another kind.</exception>
    public static (VaeConfig Config, Tensors.IWeightSource Source) Open(string path, VaeConfig usual, List<SafetensorsSet> files)
    {
        if (Directory.Exists(path))
        {
            string folder = File.Exists(Path.Combine(path, FileName)) ? path : Path.Combine(path, CheckpointFolder.Name(Component.Vae));
            string config = Path.Combine(folder, FileName);
            if (!File.Exists(config))
            {
                throw new CheckpointException($"{path}: no autoencoder, {FileName} is missing");
            }

            SafetensorsSet set = Open(CheckpointFolder.WeightFile(folder, CheckpointFolder.Stem(Component.Vae)));
            VaeConfig read = VaeConfig.Read(ConfigReader.Parse(ConfigReader.ReadText(config), config));
            return (read, Named(set, read));
        }

        if (!File.Exists(path))
        {
            throw new CheckpointException($"{path}: no such autoencoder file or folder");
        }

        SafetensorsSet file = Open(path);
        VaeConfig own = file.Files[0].Metadata.TryGetValue(Checkpoint.VaeFile, out string? text)
            ? VaeConfig.Read(ConfigReader.Parse(text, path))
            : TinyVaeConfig.Of(file) ?? usual;
        return (own, Named(file, own));

        SafetensorsSet Open(string name)
        {
            SafetensorsSet opened = SafetensorsSet.Open(name);
            files.Add(opened);
            return opened;
        }
    }

    /// <summary>The structure of Stable Diffusion's autoencoder.</summary>
    public static VaeConfig Usual()
    {
        JsonObject json = Presets.Files("sd14", 4)[Checkpoint.VaeFile];
        return VaeConfig.Read(ConfigReader.Parse(json.ToJsonString(), Checkpoint.VaeFile));
    }

    /// <summary>Names of the folder form, of the single file with its prefix and without.</summary>
    static SafetensorsSource Named(SafetensorsSet file, VaeConfig config) => new(
        file,
        name =>
        {
            string single = KeyMap.ToFile(Component.Vae, name, null!, config);
            return [.. OtherNames.Spellings(Component.Vae, name), single, single[KeyMap.Prefix(Component.Vae).Length..]];
        },
        OtherNames.Part(Component.Vae));
}
