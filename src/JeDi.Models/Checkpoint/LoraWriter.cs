using System.Globalization;
using System.Runtime.InteropServices;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>The factors of one module's change: scale up down.</summary>
/// <param name="Component">Where the module is.</param>
/// <param name="Module">Its name in the folder form.</param>
/// <param name="Down">[rank, ..] as PyTorch stores it.</param>
/// <param name="DownShape">Its shape: [rank, K], or [rank, I, k, k].</param>
/// <param name="Up">[N, rank], or [O, rank, 1, 1].</param>
/// <param name="UpShape">Its shape.</param>
public sealed record LoraFactors(
    Component Component, string Module, float[] Down, long[] DownShape, float[] Up, long[] UpShape);

/// <summary>
/// Writes a LoRA file with the names that most tools read: <c>lora_unet_….lora_down.weight</c>, <c>….lora_up.weight</c> and
/// <c>….alpha</c>, dots of modules as underscores, all F16.
/// </summary>
public static class LoraWriter
{
    /// <param name="path">The file.</param>
    /// <param name="modules">What changes.</param>
    /// <param name="alpha">The change is multiplied by alpha / rank.</param>
    /// <exception cref="Files.FileException">It cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<LoraFactors> modules, double alpha)
    {
        var values = new Dictionary<string, float[]>();
        var items = new List<SafetensorsItem>();
        foreach (LoraFactors module in modules)
        {
            string name = (module.Component == Component.UNet ? "lora_unet_" : "lora_te_") + LoraNames.Plain(module.Module);
            Add($"{name}.alpha", [], [(float)alpha]);
            Add($"{name}.lora_down.weight", module.DownShape, module.Down);
            Add($"{name}.lora_up.weight", module.UpShape, module.Up);
        }

        var metadata = new Dictionary<string, string>
        {
            ["format"] = "pt",
            ["ss_network_module"] = "networks.lora",
            ["ss_network_dim"] = modules[0].DownShape[0].ToString(CultureInfo.InvariantCulture),
            ["ss_network_alpha"] = alpha.ToString(CultureInfo.InvariantCulture),
        };
        SafetensorsWriter.Write(path, items, metadata, (item, stream) => stream.Write(MemoryMarshal.AsBytes<Half>(
            [.. values[item.Name].Select(value => (Half)value)])));

        void Add(string name, long[] shape, float[] numbers)
        {
            items.Add(new SafetensorsItem(name, SafetensorsType.F16, shape));
            values.Add(name, numbers);
        }
    }
}
