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

        IWeightSource[] Sources(UNetConfig unet, VaeConfig vae) => Checkpoint.EachComponent(
            component => new SafetensorsSource(
                file,
                name => component == Component.TextEncoder
                    ? OtherNames.Spellings(component, name).Select(spelling => KeyMap.Prefix(component) + spelling)
                    : [KeyMap.ToFile(component, name, unet, vae)],
                OtherNames.Part(component)));
    }

    static Dictionary<string, string> Configs(string path, SafetensorsSet file)
    {
        CheckParts(path, file);
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

    /// <exception cref="CheckpointException">A part is missing, or of another generation of models.</exception>
    static void CheckParts(string path, SafetensorsSet file)
    {
        bool Has(string prefix) => file.Entries.Any(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal));
        const string Kinds = "Stable Diffusion 1.x and JeDi are read";
        string? other = Has("conditioner.embedders.") ? "an SDXL checkpoint ('conditioner.embedders.')"
            : Has("cond_stage_model.model.") ? "a Stable Diffusion 2 checkpoint with an OpenCLIP text encoder ('cond_stage_model.model.')"
            : Has("model.diffusion_model.joint_blocks.") ? "a Stable Diffusion 3 checkpoint ('joint_blocks')"
            : Has("double_blocks.") || Has("model.diffusion_model.double_blocks.") ? "a Flux checkpoint ('double_blocks')"
            : null;
        if (other is not null)
        {
            throw new CheckpointException($"{path}: is {other}; {Kinds}");
        }

        foreach (Component component in Enum.GetValues<Component>())
        {
            string prefix = KeyMap.Prefix(component);
            if (!Has(prefix))
            {
                throw new CheckpointException(component == Component.UNet
                    ? $"{path}: no Stable Diffusion checkpoint, no name begins with '{prefix}'; {Kinds}"
                    : $"{path}: has no {OtherNames.Part(component)}, no name begins with '{prefix}'; "
                        + "use a file that holds all three parts, or a model folder");
            }
        }
    }
}
