using System.Buffers.Binary;
using JeDi.Files;
using JeDi.Files.Images;
using SkiaSharp;

namespace JeDi.Tests.Files;

/// <summary>What a picture takes while it is decoded is known from its header, and judged by the size of its file.</summary>
public sealed class DecodingMemoryTests
{
    const long Pixels = 1_000_000;

    /// <summary>4:2:0 has 1.5 samples for each pixel, 4:4:4 has 3; each waits as a coefficient of 2 bytes.</summary>
    [TestCase(0xC0, "11 11 11", 3, 3.0)]
    [TestCase(0xC1, "22 11 11", 3, 3.0)]
    [TestCase(0xC0, "22 11 11", 1, 6.0)]
    [TestCase(0xC2, "22 11 11", 3, 6.0)]
    [TestCase(0xC2, "11 11 11", 1, 9.0)]
    [TestCase(0xC2, "21 11 11", 3, 7.0)]
    [TestCase(0xC2, "11", 1, 5.0)]
    [TestCase(0xC2, "11 11 11 11", 4, 11.0)]
    public void JpegWaitsForItsLastScan(int frame, string sampling, int inFirstScan, double bytes)
    {
        byte[] factors = Convert.FromHexString(sampling.Replace(" ", ""));
        byte[] head = [8, 0, 16, 0, 16, (byte)factors.Length, .. factors.SelectMany((factor, i) => new byte[] { (byte)i, factor, 0 })];
        byte[] file = [0xFF, 0xD8, .. Segment(0xFE, "a comment"u8), .. Segment(frame, head), .. Segment(0xDA, [(byte)inFirstScan, 1, 0])];
        Assert.That(DecodingMemory.Bytes(SKEncodedImageFormat.Jpeg, file, Pixels), Is.EqualTo((long)(bytes * Pixels)));
    }

    /// <summary>A JPEG that does not say is taken for the worst of three components.</summary>
    [TestCase("")]
    [TestCase("FFD8")]
    [TestCase("FFD8FFC20003")]
    [TestCase("FFD8FF000000FFFFFFFF")]
    public void DamagedJpegIsTakenForTheWorst(string hex) => Assert.That(
        DecodingMemory.Bytes(SKEncodedImageFormat.Jpeg, Convert.FromHexString(hex), Pixels),
        Is.EqualTo(9 * Pixels));

    [Test]
    public void InterlacedPngWaitsToo()
    {
        byte[] png = PngParts.File(1, 1, 8, 0, _ => [0]);
        Assert.That(DecodingMemory.Bytes(SKEncodedImageFormat.Png, png, Pixels), Is.EqualTo(3 * Pixels));
        png[28] = 1;
        Assert.That(DecodingMemory.Bytes(SKEncodedImageFormat.Png, png, Pixels), Is.EqualTo(11 * Pixels));
    }

    /// <summary>Many megapixels of few colours are read, in stretches; what a file claims and does not show is refused.</summary>
    [Test]
    public void SmallFilesOfLargePicturesAreJudged()
    {
        byte[] flat = PngParts.File(5000, 5200, 1, 0, y => [.. Enumerable.Repeat((byte)(y % 3 == 0 ? 255 : 0), 625)]);
        PixelImage stripes = ImageReader.Decode("flat", flat);
        for (int y = 0; y < stripes.Height; y++)
        {
            byte wanted = (byte)(y % 3 == 0 ? 255 : 0);
            Assert.That(stripes.Rgb.AsSpan(y * 15_000, 15_000).ContainsAnyExcept(wanted), Is.False, $"row {y}");
        }

        Assert.That(
            () => ImageReader.Decode("claim", PngParts.WithSize(flat, 6000, 6000)),
            Throws.TypeOf<FileException>().With.Message.Contains("cut short or damaged"));
        byte[] interlaced = PngParts.WithSize(flat, 4000, 4000);
        interlaced[28] = 1;
        PngParts.MendHeader(interlaced);
        Assert.That(
            () => ImageReader.Decode("interlaced", interlaced),
            Throws.TypeOf<FileException>().With.Message.Contains("claims 4000 x 4000 pixels, 167 MB"));
        Assert.That(
            () => ImageReader.Decode("strip", PngParts.WithSize(flat, 65_536, 1)),
            Throws.TypeOf<FileException>().With.Message.Contains("65535 on a side"));
    }

    static byte[] Segment(int marker, ReadOnlySpan<byte> body)
    {
        var segment = new byte[body.Length + 4];
        segment[0] = 0xFF;
        segment[1] = (byte)marker;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), (ushort)(body.Length + 2));
        body.CopyTo(segment.AsSpan(4));
        return segment;
    }
}
