using JeDi.Files.Images;

namespace JeDi.Tests.Files;

/// <summary>Photos and masks brought to the model's size, and pixels to the network's numbers and back.</summary>
public sealed class FittingTests
{
    [TestCase(64, 64)]
    [TestCase(128, 128)]
    [TestCase(640, 640)]
    public void PictureOfTheSameRatioIsOnlyScaled(int width, int height)
    {
        PixelImage image = ResamplingTests.Noise(new System.Random(1), width, height);
        byte[] expected = image.Resize(128, 128, Filter.Bicubic).Rgb;
        Assert.That(image.Cover(128, 128).Rgb, Is.EqualTo(expected));
        Assert.That(image.Pad(128, 128).Rgb, Is.EqualTo(expected));
    }

    [Test]
    public void CoverKeepsTheMiddle()
    {
        PixelImage wide = Bands(300, 100, across: true);
        PixelImage tall = Bands(100, 300, across: false);
        Assert.That(wide.Cover(100, 100).Rgb, Is.EqualTo(wide.Crop(100, 0, 100, 100).Rgb));
        Assert.That(tall.Cover(100, 100).Rgb, Is.EqualTo(tall.Crop(0, 100, 100, 100).Rgb));
    }

    [Test]
    public void PadShowsAllOnTheMeanOfTheEdge()
    {
        // The two outer thirds are black and white, the rows' ends one each: the edge's mean follows from its 2 * 300 + 2 * 98 pixels.
        PixelImage wide = Bands(300, 100, across: true);
        const int grey = 100;
        double mean = (2.0 * 100 * grey + 2.0 * 100 * 255 + 98 * 255) / (2 * 300 + 2 * 98);
        PixelImage fitted = wide.Pad(300, 300);
        Assert.That(fitted.Crop(0, 100, 300, 100).Rgb, Is.EqualTo(wide.Rgb));
        Assert.That(fitted.Crop(0, 0, 300, 100).Rgb, Is.All.EqualTo((byte)Math.Round(mean)));
        Assert.That(fitted.Crop(0, 200, 300, 100).Rgb, Is.All.EqualTo((byte)Math.Round(mean)));
        Assert.That(wide.PadMask(300, 300).Crop(0, 0, 300, 100).Rgb, Is.All.Zero);
    }

    /// <summary>Scaled whole, such strips would take gigabytes.</summary>
    [TestCase(1, 60_000)]
    [TestCase(60_000, 1)]
    [TestCase(3, 65_535)]
    [TestCase(1, 1)]
    public void StripsAreFittedToo(int width, int height)
    {
        PixelImage strip = ResamplingTests.Flat(width, height, 77);
        long before = GC.GetAllocatedBytesForCurrentThread();
        PixelImage covered = strip.Cover(512, 512);
        PixelImage padded = strip.Pad(512, 512);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(64 << 20));
        Assert.That(covered.Rgb.AsSpan().ContainsAnyExcept((byte)77), Is.False);
        Assert.That(padded.Rgb.AsSpan().ContainsAnyExcept((byte)77), Is.False);
    }

    [Test]
    public void PixelsComeBackFromNumbers()
    {
        byte[] rgb = [.. Enumerable.Range(0, 256).SelectMany(v => new[] { (byte)v, (byte)(255 - v), (byte)(v / 2) })];
        var image = new PixelImage(16, 16, rgb);
        float[] values = image.ToFloats();
        Assert.That(values, Is.All.InRange(-1f, 1f));
        Assert.That(values[3 * 255], Is.EqualTo(1));
        Assert.That(values[0], Is.EqualTo(-1));
        Assert.That(PixelImage.FromFloats(16, 16, values).Rgb, Is.EqualTo(rgb));
    }

    /// <summary>0 is 127.5 and goes to the even 128; 1/127.5 is 128.5 and goes there too.</summary>
    [Test]
    public void NumbersAreClampedAndRoundedToEven() => Assert.That(
        PixelImage.FromFloats(1, 2, [-3, 7, 0, float.NegativeInfinity, float.PositiveInfinity, 1 / 127.5f]).Rgb,
        Is.EqualTo(new byte[] { 0, 255, 128, 0, 255, 128 }));

    [Test]
    public void CellsAreShares()
    {
        // The left 12 of 16 columns are white: the first cell of 8 is whole, the second half.
        PixelImage mask = ResamplingTests.Flat(16, 8, 0);
        mask.Paste(ResamplingTests.Flat(12, 8, 255), 0, 0);
        Assert.That(mask.ToCells(8), Is.EqualTo(new[] { 1f, 0.5f }));
    }

    [Test]
    public void LuminanceIsThatOfBt601()
    {
        var colours = new PixelImage(4, 1, [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
        float[] expected = [0.299f, 0.587f, 0.114f, 1];
        Assert.That(colours.ToMask(), Is.EqualTo(expected).Within(0.5 / 255));
    }

    [TestCase(1, 1, 1)]
    [TestCase(2, 2, 1)]
    [TestCase(5, 3, 2)]
    [TestCase(9, 3, 3)]
    public void GridIsNearlySquare(int count, int columns, int rows)
    {
        PixelImage[] images = [.. Enumerable.Range(0, count).Select(i => ResamplingTests.Flat(4, 2, (byte)i))];
        PixelImage grid = PixelImage.Grid(images);
        Assert.That((grid.Width, grid.Height), Is.EqualTo((4 * columns, 2 * rows)));
        for (int i = 0; i < columns * rows; i++)
        {
            byte expected = i < count ? (byte)i : (byte)255;
            Assert.That(grid.Crop(i % columns * 4, i / columns * 2, 4, 2).Rgb, Is.All.EqualTo(expected), $"picture {i}");
        }
    }

    /// <summary>Thirds of black, grey 100 and white, in halves that bicubic weights of a whole scale leave alone.</summary>
    static PixelImage Bands(int width, int height, bool across)
    {
        PixelImage image = ResamplingTests.Flat(width, height, 0);
        (int x, int y) = across ? (width / 3, 0) : (0, height / 3);
        (int w, int h) = across ? (width / 3, height) : (width, height / 3);
        image.Paste(ResamplingTests.Flat(w, h, 100), x, y);
        image.Paste(ResamplingTests.Flat(w, h, 255), 2 * x, 2 * y);
        return image;
    }
}
