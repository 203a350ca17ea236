using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Models;

/// <summary>A model in all its forms holds the same weights; what is wrong with one is said in one line.</summary>
public sealed class CheckpointTests
{
    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase(4)]
    [TestCase(9)]
    public void FolderAndSingleFileHoldWhatTheRecipeGives(int channels)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", channels);
        string whole = Write(recipe, $"folder-{channels}");
        using Checkpoint inFolder = Checkpoint.Open(whole);
        string single = Write(inFolder, $"single-{channels}.safetensors", new() { SingleFile = true });
        using Checkpoint inFile = Checkpoint.Open(single);
        string again = Write(inFile, $"again-{channels}", new() { TokenizerFolder = Tokenizer });
        using Checkpoint back = Checkpoint.Open(again);
        foreach (Checkpoint other in new[] { inFolder, inFile, back })
        {
            AssertSameWeights(recipe, other);
            Assert.That(other.UNet.InputLayout, Is.EqualTo(recipe.UNet.InputLayout));
            Assert.That(other.Schedule, Is.EqualTo(recipe.Schedule));
        }

        Assert.That(inFolder.TokenizerFolder, Is.Not.Null);
        Assert.That(inFile.TokenizerFolder, Is.Null);
        Assert.That(Directory.GetFiles(folder.Path, "*.tmp", SearchOption.AllDirectories), Is.Empty);
    }

    [TestCase(DType.F16)]
    [TestCase(DType.BF16)]
    public void SmallTypesAreTheRoundedNumbers(DType type)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        using Checkpoint rounded = Checkpoint.Open(Write(recipe, $"{type}", new() { Type = type }));
        using Checkpoint direct = Checkpoint.FromRecipe("tiny", 4, type);
        AssertSameWeights(direct, rounded);
        StoredWeight first = recipe.Weights(Component.UNet)[0];
        float[] exact = Floats(recipe, Component.UNet, first.Name, first.Shape);
        float[] small = Floats(rounded, Component.UNet, first.Name, first.Shape);
        Assert.That(small, Is.EqualTo(exact.Select(value => type == DType.F16 ? (float)(Half)value : NearestBrain(value))));

        // The upper half of the bits, rounded to the nearest, ties to even.
        static float NearestBrain(float value)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value);
            return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000);
        }
    }

    [Test]
    public void FourChannelsBecomeNineWithZerosElsewhere()
    {
        using Checkpoint four = Checkpoint.FromRecipe("tiny", 4);
        using Checkpoint nine = Checkpoint.Open(Write(four, "widened", new() { Channels = 9 }));
        Assert.That(nine.UNet.InputLayout, Is.EqualTo(InputLayout.MaskNoisyClean));
        float[] narrow = Floats(four, Component.UNet, "conv_in.weight", [16, 4, 3, 3]);
        float[] wide = Floats(nine, Component.UNet, "conv_in.weight", [16, 9, 3, 3]);
        for (int i = 0; i < wide.Length; i++)
        {
            int channel = i / 9 % 9;
            float expected = channel is >= 1 and <= 4 ? narrow[(i / 81 * 4 + channel - 1) * 9 + i % 9] : 0;
            Assert.That(wide[i], Is.EqualTo(expected), $"element {i}");
        }
    }

    [Test]
    public void NineChannelsDoNotBecomeFour()
    {
        using Checkpoint nine = Checkpoint.FromRecipe("tiny", 9);
        Assert.That(
            () => Write(nine, "narrowed", new() { Channels = 4 }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("9 input channels"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void OldVaeNamesAreUnderstood(bool asFilters)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Write(recipe, $"old-vae-{asFilters}");
        Rewrite(Path.Combine(path, "vae", "diffusion_pytorch_model.safetensors"), item =>
        {
            string old = item.Name.Replace("to_q.", "query.").Replace("to_k.", "key.").Replace("to_v.", "value.")
                .Replace("to_out.0.", "proj_attn.");
            bool filter = asFilters && old != item.Name && item.Shape.Length == 2;
            return item with { Name = old, Shape = filter ? [.. item.Shape, 1, 1] : item.Shape };
        });
        using Checkpoint old = Checkpoint.Open(path);
        AssertSameWeights(recipe, old);
    }

    /// <summary>Text encoders of some times have no outer module, in folders as in single files.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void TextEncodersWithoutTheirOuterModuleAreUnderstood(bool single)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Write(recipe, single ? "flat.safetensors" : "flat", new() { SingleFile = single });
        string file = single ? path : Path.Combine(path, "text_encoder", "model.safetensors");
        Dictionary<string, string> metadata;
        using (SafetensorsFile before = SafetensorsFile.Open(file))
        {
            metadata = before.Metadata.ToDictionary();
        }

        Rewrite(file, item => item with { Name = item.Name.Replace("text_model.", "") }, metadata);
        using Checkpoint flat = Checkpoint.Open(path);
        AssertSameWeights(recipe, flat);
    }

    [TestCase("first_stage_model.", null, "has no VAE")]
    [TestCase("cond_stage_model.", null, "has no text encoder")]
    [TestCase("cond_stage_model.", "conditioner.embedders.0.", "SDXL")]
    [TestCase("cond_stage_model.transformer.", "cond_stage_model.model.", "Stable Diffusion 2")]
    [TestCase("first_stage_model.encoder.conv_in.", null, "'first_stage_model.encoder.conv_in.weight' [8, 3, 3, 3] of the VAE")]
    public void MissingPartOfASingleFileIsNamedAsItSpellsIt(string prefix, string? instead, string message)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Write(recipe, $"part-{Guid.NewGuid():N}.safetensors", new() { SingleFile = true });
        Dictionary<string, string> metadata;
        using (SafetensorsFile before = SafetensorsFile.Open(path))
        {
            metadata = before.Metadata.ToDictionary();
        }

        Rewrite(
            path,
            item => !item.Name.StartsWith(prefix) ? item
                : instead is null ? null
                : item with { Name = instead + item.Name[prefix.Length..] },
            metadata);
        Assert.That(
            () =>
            {
                using Checkpoint model = Checkpoint.Open(path);
                return Enum.GetValues<Component>().Sum(component => model.Weights(component).Count);
            },
            Throws.Exception.Message.Contains(message).And.Message.StartsWith(path).And.Message.Not.Contains("\n"));
    }

    [Test]
    public void ShardsAreOneModel()
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Write(recipe, "shards");
        string file = Path.Combine(path, "unet", "diffusion_pytorch_model.safetensors");
        string[] names;
        using (SafetensorsFile whole = SafetensorsFile.Open(file))
        {
            names = [.. whole.Entries.Select(entry => entry.Name)];
        }

        var map = new Dictionary<string, string>();
        for (int shard = 0; shard < 2; shard++)
        {
            string name = $"diffusion_pytorch_model-0000{shard + 1}-of-00002.safetensors";
            string target = Path.Combine(path, "unet", name);
            File.Copy(file, target);
            string[] here = [.. names.Where((_, i) => i % 2 == shard)];
            Rewrite(target, item => here.Contains(item.Name) ? item : null);
            here.ToList().ForEach(tensor => map.Add(tensor, name));
        }

        File.Delete(file);
        File.WriteAllText(file + ".index.json", System.Text.Json.JsonSerializer.Serialize(new { weight_map = map }));
        using Checkpoint sharded = Checkpoint.Open(path);
        AssertSameWeights(recipe, sharded);
    }

    [Test]
    public void MissingTensorIsNamed()
    {
        string path = Broken("missing", item => item.Name == "conv_out.bias" ? null : item);
        Assert.That(() => Load(path), Throws.TypeOf<WeightException>().With.Message.Contains("'conv_out.bias' [4] of the U-Net is"));
    }

    [Test]
    public void WrongShapeIsNamedWithBothShapes()
    {
        string path = Broken("shape", item => item.Name == "conv_out.bias" ? item with { Shape = [2, 2] } : item);
        Assert.That(
            () => Load(path),
            Throws.TypeOf<WeightException>().With.Message.Contains("'conv_out.bias' has shape [2, 2], the config wants [4]"));
    }

    [Test]
    public void WhatIsNoModelIsSaidInOneLine()
    {
        string empty = Directory.CreateDirectory(folder.At("empty")).FullName;
        string pickle = folder.At("model.ckpt");
        File.WriteAllBytes(pickle, [.. "PK\u0003\u0004"u8, .. new byte[100]]);
        string other = folder.At("other.safetensors");
        SafetensorsWriter.Write(other, [new SafetensorsItem("a", SafetensorsType.U8, [1])], null, (_, stream) => stream.WriteByte(1));
        (string Path, string Says)[] cases =
        [
            (folder.At("nothing"), "no such model file or folder"),
            (empty, "unet/config.json is missing"),
            (pickle, "is a PyTorch pickle"),
            (other, "no Stable Diffusion checkpoint"),
        ];
        foreach ((string path, string says) in cases)
        {
            Exception error = Assert.Catch(() => Checkpoint.Open(path))!;
            Assert.That(error, Is.TypeOf<CheckpointException>().Or.TypeOf<FileException>());
            Assert.That(error.Message, Does.Contain(says).And.StartWith(path).And.Not.Contain("\n"));
        }
    }

    [Test]
    public void FullFolderIsNotWrittenInto()
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Directory.CreateDirectory(folder.At("full")).FullName;
        File.WriteAllText(Path.Combine(path, "mine.txt"), "mine");
        Assert.That(() => Write(recipe, "full"), Throws.TypeOf<CheckpointException>().With.Message.Contains("exists already"));
        Assert.That(Directory.GetFileSystemEntries(path), Has.Length.EqualTo(1));
    }

    /// <summary>
    /// The disk fills after so many bytes, around the end of every file and at places between: one error, and nothing is left.
    /// </summary>
    [Test]
    public void FailingWriterLeavesNothing([Values] bool single)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4, DType.F16);
        using var inner = new TestFolder();
        string to = inner.At("model");
        var options = new ConvertOptions { SingleFile = single, TokenizerFolder = Tokenizer };
        long whole = 0;
        var ends = new List<long>();
        CheckpointWriter.Write(recipe, inner.At("whole"), options, wrap: stream =>
        {
            ends.Add(whole);
            return new FullDisk(stream, count => (whole += count) > 0);
        });
        if (single)
        {
            File.Delete(inner.At("whole"));
        }
        else
        {
            Directory.Delete(inner.At("whole"), recursive: true);
        }

        IEnumerable<long> near = ends.Append(whole).SelectMany(end => (long[])[end - 2, end - 1, end, end + 1]);
        IEnumerable<long> between = Enumerable.Range(0, 30).Select(i => whole * i * i / 900);
        foreach (long room in near.Concat(between).Where(room => room >= 0 && room < whole))
        {
            long left = room;
            FileException error = Assert.Throws<FileException>(
                () => CheckpointWriter.Write(recipe, to, options, wrap: stream => new FullDisk(stream, count => (left -= count) >= 0)))!;
            Assert.That(error.Message, Does.Not.Contain("\n").And.Contain("disk full"));
            Assert.That(Directory.GetFileSystemEntries(inner.Path), Is.Empty, $"after {room} bytes");
        }
    }

    [Test]
    public void ReadingHeadersIsCheap()
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 9, DType.F16);
        using Checkpoint model = Checkpoint.Open(Write(recipe, "cheap"));
        IReadOnlyList<StoredWeight> weights = model.Weights(Component.TextEncoder);
        long parameters = recipe.Weights(Component.TextEncoder).Sum(weight => weight.Shape.Count);
        Assert.That(weights.Sum(weight => weight.Shape.Count), Is.EqualTo(parameters));
        Assert.That(weights.Select(weight => weight.Type), Is.All.EqualTo(DType.F16));
    }

    string Tokenizer => LetterTokenizer.Write(folder.At("letters"));

    string Write(Checkpoint from, string name, ConvertOptions? options = null)
    {
        CheckpointWriter.Write(from, folder.At(name), options is null ? new() { TokenizerFolder = Tokenizer } : options with
        {
            TokenizerFolder = options.SingleFile ? null : Tokenizer,
        });
        return folder.At(name);
    }

    string Broken(string name, Func<SafetensorsItem, SafetensorsItem?> change)
    {
        using Checkpoint recipe = Checkpoint.FromRecipe("tiny", 4);
        string path = Write(recipe, name);
        Rewrite(Path.Combine(path, "unet", "diffusion_pytorch_model.safetensors"), change);
        return path;
    }

    static void Load(string path)
    {
        using Checkpoint model = Checkpoint.Open(path);
        model.Weights(Component.UNet);
    }

    /// <summary>The file with other names or shapes for the same bytes, or without some.</summary>
    internal static void Rewrite(
        string path, Func<SafetensorsItem, SafetensorsItem?> change, Dictionary<string, string>? metadata = null)
    {
        var bytes = new Dictionary<string, byte[]>();
        var items = new List<SafetensorsItem>();
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            foreach (SafetensorsEntry entry in file.Entries)
            {
                if (change(new SafetensorsItem(entry.Name, entry.Type, entry.Shape)) is SafetensorsItem item)
                {
                    items.Add(item);
                    bytes[item.Name] = new byte[entry.Bytes];
                    file.Read(entry, bytes[item.Name]);
                }
            }
        }

        SafetensorsWriter.Write(path, items, metadata, (item, stream) => stream.Write(bytes[item.Name]));
    }

    internal static float[] Floats(Checkpoint model, Component component, string name, Shape shape)
    {
        Assert.That(model.Source(component).TryFind(name, shape, out Shape stored, out DType type), $"'{name}' in {model.Origin}");
        var bytes = new byte[stored.Count * type.Size()];
        model.Source(component).Read(name, stored, bytes);
        var values = new float[stored.Count];
        JeDi.Files.Safetensors.Floats.Convert(Enum.Parse<SafetensorsType>(type.ToString()), bytes, values);
        return values;
    }

    static void AssertSameWeights(Checkpoint expected, Checkpoint actual)
    {
        foreach (Component component in Enum.GetValues<Component>())
        {
            Assert.That(actual.Weights(component), Is.EqualTo(expected.Weights(component)));
            foreach (StoredWeight weight in expected.Weights(component))
            {
                float[] a = Floats(expected, component, weight.Name, weight.Shape);
                float[] b = Floats(actual, component, weight.Name, weight.Shape);
                Assert.That(a.AsSpan().SequenceEqual(b), $"{component} '{weight.Name}'");
            }
        }
    }

    /// <summary>Takes so many bytes and then says that the disk is full.</summary>
    sealed class FullDisk(Stream inner, Func<int, bool> fits) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => inner.Length;

        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (!fits(buffer.Length))
            {
                throw new IOException("disk full");
            }

            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
