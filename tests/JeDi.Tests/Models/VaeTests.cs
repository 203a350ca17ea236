using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Models;

/// <summary>Tiles and batches of the autoencoder.</summary>
public sealed class VaeTests
{
    /// <summary>
    /// What a tile lacks is what the networks see beyond its border. On the trained autoencoder the blended tiles of a smooth picture
    /// differ from the whole by less than the autoencoder itself from the picture (norms and attention see the whole tile, so nothing
    /// sharper follows; <see cref="VaeTilingTests"/> has what is exact). One tile is no tiling and gives the same bits.
    /// </summary>
    [Test]
    public void TilesGiveNearlyTheWhole()
    {
        using Checkpoint trained = Checkpoint.Open(Repository.Find("tests/trial/tiny-jedi"));
        using Model model = new(trained);
        const int Height = 192;
        const int Width = 256;
        float[] picture = Picture(Height, Width);
        Tensor image = model.Ops.From<float>([1, Height, Width, 3], picture);
        Tensor latent = model.Encoder.Encode(model.Ops, image).Mean;
        float[] whole = model.Device.ToArray(model.Decoder.Decode(model.Ops, latent));
        Close.SameBits(model.Device.ToArray(model.Decoder.Decode(model.Ops, latent, new VaeTiling(Width / 8))), whole);
        VaeTiling tiling = VaeTiling.For(trained.Vae);
        double loss = Distance(whole, picture);
        double decoder = Distance(model.Device.ToArray(model.Decoder.Decode(model.Ops, latent, tiling)), whole);
        float[] means = model.Device.ToArray(latent);
        double encoder = Distance(model.Device.ToArray(model.Encoder.Encode(model.Ops, image, tiling).Mean), means);
        TestContext.Out.WriteLine(
            $"{Height} x {Width} in tiles of {8 * tiling.Tile}, root mean square over the standard deviation: decoder {decoder:0.000}, "
            + $"encoder {encoder:0.000}; autoencoder against the picture {loss:0.000}");
        Assert.That(decoder, Is.LessThan(loss));
        Assert.That(encoder, Is.LessThan(loss));
    }

    [Test]
    public void MemoryOfTilesDoesNotGrowWithThePicture()
    {
        using Model model = new();
        long[] extra = new long[2];
        for (int i = 0; i < extra.Length; i++)
        {
            int side = 32 << i;
            var arena = new Arena(model.Device);
            var ops = new Ops(model.Device, arena);
            Tensor latent = ops.New([1, side, side, 4]);
            model.Device.Fill(latent, 0);
            long before = arena.Used;
            model.Decoder.Decode(ops, latent, new VaeTiling(16));
            extra[i] = arena.Peak - before - (long)side * side * 64 * 3 * 4;
            arena.Release();
        }

        Assert.That(extra[1], Is.EqualTo(extra[0]));
    }

    [Test]
    public void BatchEqualsThePicturesAlone()
    {
        using Model model = new();
        float[] values = Recipe.Tensor("batch", 2 * 8 * 8 * 4);
        float[] both = model.Device.ToArray(model.Decoder.Decode(model.Ops, model.Ops.From<float>([2, 8, 8, 4], values)));
        Tensor alone = model.Ops.From<float>([1, 8, 8, 4], values.AsSpan(8 * 8 * 4));
        float[] second = model.Device.ToArray(model.Decoder.Decode(model.Ops, alone));
        Close.SameBits(both.AsSpan(both.Length / 2), second);
    }

    [Test]
    public void LogVarianceIsClamped()
    {
        using Model model = new(source: new Loud());
        Tensor image = model.Ops.From<float>([1, 16, 16, 3], Recipe.Tensor("image", 16 * 16 * 3, 1));
        float[] values = model.Device.ToArray(model.Encoder.Encode(model.Ops, image).LogVariance);
        Assert.That(values, Is.All.InRange(-30, 20));
        Assert.That(values, Has.Some.EqualTo(-30).And.Some.EqualTo(20));
    }

    /// <summary>Colours that change slowly over the picture, with a disc in its middle.</summary>
    static float[] Picture(int height, int width) =>
    [
        .. Enumerable.Range(0, height * width * 3).Select(i =>
        {
            (int y, int x, int colour) = (i / 3 / width, i / 3 % width, i % 3);
            double across = Math.Sin(2 * Math.PI * (x + 40 * colour) / width) * Math.Cos(Math.PI * y / height) * 0.6;
            bool inside = Math.Pow(y - height / 2, 2) + Math.Pow(x - width / 2, 2) < Math.Pow(height / 4, 2);
            return (float)(inside ? 0.3 * colour - across : across);
        }),
    ];

    /// <summary>Root mean square difference over the standard deviation of the whole.</summary>
    static double Distance(float[] tiled, float[] whole)
    {
        double mean = whole.Average();
        double spread = whole.Sum(value => (value - mean) * (value - mean));
        return Math.Sqrt(tiled.Zip(whole).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / spread);
    }

    sealed class Model : IDisposable
    {
        public Model(Checkpoint? checkpoint = null, IWeightSource? source = null)
        {
            Checkpoint model = checkpoint ?? Checkpoint.FromRecipe("tiny", 4);
            var weights = new Weights(Device, source ?? model.Source(Component.Vae));
            Encoder = new VaeEncoder(weights, model.Vae);
            Decoder = new VaeDecoder(weights, model.Vae);
            weights.Load();
            Ops = new Ops(Device, new Arena(Device));
        }

        public Device Device { get; } = Targets.EveryLevel[0].Make();

        public Ops Ops { get; }

        public VaeEncoder Encoder { get; }

        public VaeDecoder Decoder { get; }

        public void Dispose()
        {
            Ops.Arena.Release();
            Device.Dispose();
        }
    }

    /// <summary>Recipe weights whose last matrix is far too large.</summary>
    sealed class Loud : IWeightSource
    {
        readonly RecipeSource inner = new("vae-tiny/");

        public string Origin => inner.Origin;

        public bool TryFind(string name, Shape wanted, out Shape stored, out DType type) =>
            inner.TryFind(name, wanted, out stored, out type);

        public void Read(string name, Shape stored, Span<byte> destination, long from = 0)
        {
            inner.Read(name, stored, destination, from);
            if (name == "quant_conv.weight")
            {
                foreach (ref float value in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(destination))
                {
                    value *= 1000;
                }
            }
        }
    }
}
