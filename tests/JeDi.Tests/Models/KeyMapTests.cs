using System.Text.Json;
using JeDi.Models;
using JeDi.Tests.Golden;

namespace JeDi.Tests.Models;

public sealed class KeyMapTests
{
    /// <summary>Names, shapes and the extra dimensions of all 1130 tensors of SD 1.4, in both directions.</summary>
    [Test]
    public void GivesTheNamesOfStableDiffusion14()
    {
        using Checkpoint model = Checkpoint.FromRecipe("sd14", 4);
        var ours = new Dictionary<string, string>();
        foreach (Component component in Enum.GetValues<Component>())
        {
            foreach (StoredWeight weight in model.Weights(component))
            {
                string file = KeyMap.ToFile(component, weight.Name, model.UNet, model.Vae);
                bool filter = KeyMap.StoredAsFilter(component, weight.Name);
                Assert.That(ours.TryAdd(file, $"{component} {weight.Name} {weight.Shape} {filter}"), file);
            }
        }

        using JsonDocument stored = JsonDocument.Parse(File.ReadAllBytes(Repository.Find("tests/golden/keymap_sd14.json")));
        var expected = stored.RootElement.EnumerateArray().ToDictionary(row => row[0].GetString()!, Line);
        Assert.That(ours, Is.EquivalentTo(expected));
    }

    /// <summary>The rule, not a table: one layer a block, three levels, attention at the coarsest two.</summary>
    [Test]
    public void CountsTheBlocksOfOtherStructures()
    {
        var config = UNetConfig.Read(ConfigReader.Parse(
            """
            {"block_out_channels": [8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 2,
             "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]}
            """,
            "test"));
        (string Folder, string File)[] names =
        [
            ("down_blocks.0.resnets.0.conv1.bias", "input_blocks.1.0.in_layers.2.bias"),
            ("down_blocks.0.downsamplers.0.conv.weight", "input_blocks.2.0.op.weight"),
            ("down_blocks.1.attentions.0.proj_in.weight", "input_blocks.3.1.proj_in.weight"),
            ("down_blocks.2.resnets.0.norm2.weight", "input_blocks.5.0.out_layers.0.weight"),
            ("up_blocks.0.resnets.1.conv_shortcut.bias", "output_blocks.1.0.skip_connection.bias"),
            ("up_blocks.0.upsamplers.0.conv.bias", "output_blocks.1.2.conv.bias"),
            ("up_blocks.1.attentions.1.norm.bias", "output_blocks.3.1.norm.bias"),
            ("up_blocks.2.resnets.0.time_emb_proj.weight", "output_blocks.4.0.emb_layers.1.weight"),
        ];
        foreach ((string folder, string file) in names)
        {
            Assert.That(KeyMap.ToFile(Component.UNet, folder, config, null!), Is.EqualTo("model.diffusion_model." + file));
        }
    }

    [TestCase("sd14", 4, Component.UNet, "unet_sd14_4ch")]
    [TestCase("sd14", 4, Component.Vae, "vae_sd14")]
    [TestCase("sd14", 4, Component.TextEncoder, "text_sd14")]
    [TestCase("tiny", 9, Component.UNet, "unet_tiny_9ch")]
    [TestCase("tiny", 9, Component.Vae, "vae_tiny")]
    [TestCase("tiny", 9, Component.TextEncoder, "text_tiny")]
    public void NetworksAskForThePublishedParameters(string preset, int channels, Component component, string key)
    {
        using Checkpoint model = Checkpoint.FromRecipe(preset, channels);
        using JsonDocument stored = JsonDocument.Parse(File.ReadAllBytes(Repository.Find("tests/golden/parameters.json")));
        IEnumerable<string> expected = stored.RootElement.GetProperty(key).EnumerateObject()
            .Select(entry => $"{entry.Name} {Shape(entry.Value)}");
        Assert.That(model.Weights(component).Select(weight => $"{weight.Name} {weight.Shape}"), Is.EquivalentTo(expected));
    }

    static string Line(JsonElement row)
    {
        Component component = row[1].GetString() switch
        {
            "unet" => Component.UNet,
            "vae" => Component.Vae,
            _ => Component.TextEncoder,
        };
        return $"{component} {row[2].GetString()} {Shape(row[3])} {row[4].GetBoolean()}";
    }

    static string Shape(JsonElement list) => $"[{string.Join(", ", list.EnumerateArray().Select(size => size.GetInt32()))}]";
}
