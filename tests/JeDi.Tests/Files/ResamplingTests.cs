using JeDi.Files.Images;

namespace JeDi.Tests.Files;

/// <summary>Resizing beyond what Pillow's golden pictures cover.</summary>
public sealed class ResamplingTests
{
    [Test]
    public void PartIsThePartOfTheWhole()
    {
        var random = new System.Random(1);
        for (int i = 0; i < 60; i++)
        {
            PixelImage image = Noise(random, random.Next(1, 60), random.Next(1, 60));
            (int width, int height) = (random.Next(1, 90), random.Next(1, 90));
            (int left, int top) = (random.Next(width), random.Next(height));
            (int w, int h) = (random.Next(1, width - left + 1), random.Next(1, height - top + 1));
            var filter = (Filter)(i % 3);
            PixelImage part = image.ResizePart(width, height, filter, left, top, w, h);
            Assert.That(
                part.Rgb,
                Is.EqualTo(image.Resize(width, height, filter).Crop(left, top, w, h).Rgb),
                $"{image.Width} x {image.Height} to {width} x {height}, {w} x {h} at {left}, {top}");
        }
    }

    /// <summary>The weights of each position add up to one, but for the rounding of each to 2^-22.</summary>
    [TestCase(Filter.Bilinear)]
    [TestCase(Filter.Bicubic)]
    [TestCase(Filter.Lanczos)]
    public void OneColourStays(Filter filter)
    {
        foreach (byte value in new byte[] { 0, 1, 127, 254, 255 })
        {
            PixelImage image = Flat(37, 23, value);
            foreach ((int width, int height) in new[] { (1, 1), (5, 90), (74, 46), (36, 24), (37, 1) })
            {
                Assert.That(image.Resize(width, height, filter).Rgb, Is.All.EqualTo(value), $"{value} at {width} x {height}");
            }
        }
    }

    [TestCase(Filter.Bilinear)]
    [TestCase(Filter.Bicubic)]
    [TestCase(Filter.Lanczos)]
    public void OwnSizeChangesNothing(Filter filter)
    {
        PixelImage image = Noise(new System.Random(2), 31, 17);
        Assert.That(image.Resize(31, 17, filter).Rgb, Is.EqualTo(image.Rgb));
        Assert.That(image.ResizePart(31, 17, filter, 3, 2, 20, 10).Rgb, Is.EqualTo(image.Crop(3, 2, 20, 10).Rgb));
    }

    /// <summary>A mirrored picture gives the mirrored result: no filter prefers a side.</summary>
    [Test]
    public void MirroredPictureGivesMirroredResult()
    {
        PixelImage image = Noise(new System.Random(3), 64, 9);
        Assert.That(Mirrored(Mirrored(image).Resize(16, 9, Filter.Bicubic)).Rgb, Is.EqualTo(image.Resize(16, 9, Filter.Bicubic).Rgb));
    }

    internal static PixelImage Noise(System.Random random, int width, int height)
    {
        var rgb = new byte[3 * width * height];
        random.NextBytes(rgb);
        return new PixelImage(width, height, rgb);
    }

    internal static PixelImage Flat(int width, int height, byte value)
    {
        var rgb = new byte[3 * width * height];
        Array.Fill(rgb, value);
        return new PixelImage(width, height, rgb);
    }

    static PixelImage Mirrored(PixelImage image)
    {
        PixelImage result = Flat(image.Width, image.Height, 0);
        for (int x = 0; x < image.Width; x++)
        {
            result.Paste(image.Crop(x, 0, 1, image.Height), image.Width - 1 - x, 0);
        }

        return result;
    }
}
