using JeDi.Cpu;
using JeDi.Files.Safetensors;
using JeDi.Files.Tokenizer;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Evaluation;

/// <summary>CLIP and DINO of a few thousand weights in folders as transformers writes them.</summary>
static class TinyEncoders
{
    const string Layers =
        """
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4
        """;

    const string Vision = Layers + """, "image_size": 32, "patch_size": 8""";

    public static string Clip(string folder)
    {
        Directory.CreateDirectory(folder);
        VocabularyLearner.Write(folder, ["a red ball", "a blue cube in the snow"], 600);
        int vocabulary = ClipTokenizer.Open(folder).VocabularySize;
        string text = $"{Layers}, \"vocab_size\": {vocabulary}, \"max_position_embeddings\": 77";
        string config = $$"""{"projection_dim": 16, "text_config": { {{text}} }, "vision_config": { {{Vision}}, "projection_dim": 16} }""";
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        var json = ConfigReader.Parse(config, "test");
        Save(folder, w =>
        {
            _ = new ClipVision(w, VisionConfig.ReadClip(json));
            _ = new ClipText(w, ClipTextConfig.Read(json));
            _ = new Linear(w.At("text_projection"), 32, 16, bias: false);
        });
        return folder;
    }

    public static string Dino(string folder)
    {
        Directory.CreateDirectory(folder);
        string config = $$"""{ {{Vision}}, "layer_norm_eps": 1e-12}""";
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        Save(folder, w => _ = new Dino(w, VisionConfig.ReadDino(ConfigReader.Parse(config, "test"))));
        return folder;
    }

    static void Save(string folder, Action<Weights> ask)
    {
        var source = new RecipeSource("tiny-encoders/");
        using var device = new CpuDevice();
        var seen = new Seen(source);
        Weights.Load(device, seen, w =>
        {
            ask(w);
            return 0;
        });
        SafetensorsItem[] items =
            [.. seen.Shapes.Select(one => new SafetensorsItem(one.Key, SafetensorsType.F32, [.. one.Value.Select(size => (long)size)]))];
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), items, null, (item, stream) =>
        {
            var bytes = new byte[item.Bytes];
            source.Read(item.Name, seen.Shapes[item.Name], bytes);
            stream.Write(bytes);
        });
    }

    /// <summary>Notes what is asked for.</summary>
    sealed class Seen(RecipeSource inner) : IWeightSource
    {
        public Dictionary<string, Shape> Shapes { get; } = [];

        public string Origin => inner.Origin;

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
        {
            Shapes[name] = wanted;
            return inner.TryFind(name, wanted, out stored, out type);
        }

        public void Read(string name, Shape stored, Span<byte> destination, long from = 0) => inner.Read(name, stored, destination, from);
    }
}
