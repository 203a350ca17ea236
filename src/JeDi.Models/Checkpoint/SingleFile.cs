using System.Text.Json.Nodes;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// The single file of the first Stable Diffusion release. Files that <see cref="CheckpointWriter"/> wrote hold their configs in
/// <c>__metadata__</c>, under the paths of the folder form; others have the structure of SD 1.4.
/// </summary>
static class SingleFile
{
    public static Checkpoint Open(string path)
    {
        SafetensorsSet file = SafetensorsSet.Open(path);
        try
        {
            IReadOnlyDictionary<string, string> configs = Configs(path, file);
            return new Checkpoint(path, CheckpointForm.SingleFile, configs, Sources, [file]);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        Dictionary<Component, IWeightSource> Sources(UNetConfig unet, VaeConfig vae) => Checkpoint.EachComponent(
            component => new SafetensorsSource(file, name => KeyMap.ToFile(component, name, unet, vae)));
    }

    static Dictionary<string, string> Configs(string path, SafetensorsSet file)
    {
        string convIn = KeyMap.Prefix(Component.UNet) + "input_blocks.0.0.weight";
        if (!file.TryFind(convIn, out _, out SafetensorsEntry filter) || filter.Shape.Length != 4)
        {
            throw new CheckpointException($"{path}: no Stable Diffusion checkpoint, the filter '{convIn}' is missing");
        }

        IReadOnlyDictionary<string, string> metadata = file.Files[0].Metadata;
        int channels = filter.Shape[1] is 4 or 9 ? (int)filter.Shape[1] : throw new CheckpointException(
            $"{path}: the filter '{convIn}' takes {filter.Shape[1]} channels; 4 and 9 are supported");
        if (metadata.ContainsKey(Checkpoint.UNetFile))
        {
            channels = 4;
        }

        // A file without a config is SD 1.4, or, with 9 channels, its inpainting sibling, whose order is the default one.
        var configs = new Dictionary<string, string>();
        foreach ((string name, JsonObject json) in Presets.Files("sd14", channels))
        {
            json.Remove("input_layout");
            configs.Add(name, metadata.GetValueOrDefault(name) ?? json.ToJsonString());
        }

        return configs;
    }
}
