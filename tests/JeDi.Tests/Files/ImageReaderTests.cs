using System.Buffers.Binary;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Tests.Models;
using SkiaSharp;

namespace JeDi.Tests.Files;

/// <summary>Pictures of every form that users have come out upright, in RGB, on white.</summary>
public sealed class ImageReaderTests
{
    /// <summary>Colours of the upright test picture's quarters: upper left, upper right, lower left, lower right.</summary>
    static readonly (byte R, byte G, byte B)[] quarters = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 20)];

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>A camera that is held in any way writes its sensor's rows and an orientation (EXIF 2.3, tag 274).</summary>
    [TestCase(1, new[] { 0, 1, 2, 3 })]
    [TestCase(2, new[] { 1, 0, 3, 2 })]
    [TestCase(3, new[] { 3, 2, 1, 0 })]
    [TestCase(4, new[] { 2, 3, 0, 1 })]
    [TestCase(5, new[] { 0, 2, 1, 3 })]
    [TestCase(6, new[] { 1, 3, 0, 2 })]
    [TestCase(7, new[] { 3, 1, 2, 0 })]
    [TestCase(8, new[] { 2, 0, 3, 1 })]
    public void EveryOrientationComesOutUpright(int orientation, int[] stored)
    {
        (int width, int height) = orientation < 5 ? (48, 32) : (32, 48);
        byte[] file = InsertExif(Encode(SKEncodedImageFormat.Jpeg, 100, width, height, i => quarters[stored[i]]), orientation);
        PixelImage image = ImageReader.Decode("photo", file);
        Assert.That((image.Width, image.Height), Is.EqualTo((48, 32)));
        AssertQuarters(image, tolerance: 12);
    }

    [Test]
    public void OrientationInAPngIsFollowed([Range(1, 8)] int orientation, [Values] bool little)
    {
        int[][] stored = [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0], [2, 3, 0, 1], [0, 2, 1, 3], [1, 3, 0, 2], [3, 1, 2, 0], [2, 0, 3, 1]];
        (int width, int height) = orientation < 5 ? (48, 32) : (32, 48);
        byte[] png = Encode(SKEncodedImageFormat.Png, 100, width, height, i => quarters[stored[orientation - 1][i]]);
        byte o = (byte)orientation;
        byte[] exif = little
            ? [.. "II*\0"u8, 8, 0, 0, 0, 2, 0, 0, 1, 4, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, o, 0, 0, 0, 0, 0, 0, 0]
            : [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0];
        PixelImage image = ImageReader.Decode("photo", PngParts.Insert(png, "eXIf", exif));
        Assert.That((image.Width, image.Height), Is.EqualTo((48, 32)));
        AssertQuarters(image, tolerance: 0);
        Assert.That(() => ImageReader.Decode("photo", PngParts.Insert(png, "eXIf", exif[..^13])), Throws.Nothing, "cut short");
    }

    /// <summary>Older programs keep EXIF as text (hexadecimal, behind name and length), with or without a JPEG's prefix.</summary>
    [Test]
    public void OrientationInARawProfileIsFollowed(
        [Values("zTXt", "tEXt", "iTXt")] string chunk, [Values("exif", "APP1")] string name, [Values] bool little, [Values] bool prefix)
    {
        byte[] png = Encode(SKEncodedImageFormat.Png, 100, 32, 48, i => quarters[new[] { 1, 3, 0, 2 }[i]]);
        byte[] exif = Exif(6, little, prefix);
        string hex = string.Join('\n', Convert.ToHexStringLower(exif).Chunk(72).Select(line => new string(line)));
        byte[] text = System.Text.Encoding.ASCII.GetBytes($"\n{name}\n{exif.Length,8}\n{hex}\n");
        byte[] key = System.Text.Encoding.ASCII.GetBytes($"Raw profile type {name}");
        byte[] body = chunk switch
        {
            "zTXt" => [.. key, 0, 0, .. PngParts.Deflate(text)],
            "tEXt" => [.. key, 0, .. text],
            _ => [.. key, 0, 0, 0, 0, 0, .. text],
        };
        PixelImage image = ImageReader.Decode("photo", PngParts.Insert(png, chunk, body));
        Assert.That((image.Width, image.Height), Is.EqualTo((48, 32)));
        AssertQuarters(image, tolerance: 0);
        byte[] damaged = PngParts.Insert(png, "zTXt", [.. key, 0, 0, .. "no zlib"u8]);
        Assert.That(ImageReader.Decode("photo", damaged).Width, Is.EqualTo(32), "a damaged profile turns nothing");
    }

    [Test]
    public void OrientationInAWebpIsFollowed([Values] bool little, [Values] bool prefix)
    {
        byte[] webp = Encode(SKEncodedImageFormat.Webp, 100, 32, 48, i => quarters[new[] { 1, 3, 0, 2 }[i]]);
        byte[] exif = Exif(6, little, prefix);
        byte[] body = [.. "WEBP"u8, .. "VP8X"u8, 10, 0, 0, 0, 8, 0, 0, 0, 31, 0, 0, 47, 0, 0, .. webp[12..]];
        byte[] chunk = [.. "EXIF"u8, (byte)exif.Length, 0, 0, 0, .. exif];
        byte[] whole = [.. body, .. chunk, .. new byte[chunk.Length % 2]];
        byte[] file = [.. "RIFF"u8, .. BitConverter.GetBytes(whole.Length), .. whole];
        PixelImage image = ImageReader.Decode("photo", file);
        Assert.That((image.Width, image.Height), Is.EqualTo((48, 32)));
        AssertQuarters(image, tolerance: 12);
    }

    /// <summary>A TIFF directory of one entry, the orientation.</summary>
    static byte[] Exif(byte orientation, bool little, bool prefix)
    {
        byte[] tiff = little
            ? [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
            : [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
        return [.. prefix ? "Exif\0\0"u8 : [], .. tiff];
    }

    [TestCase(SKEncodedImageFormat.Png, 0)]
    [TestCase(SKEncodedImageFormat.Webp, 2)]
    [TestCase(SKEncodedImageFormat.Jpeg, 12)]
    public void CommonFormatsAreRead(SKEncodedImageFormat format, int tolerance) =>
        AssertQuarters(ImageReader.Decode("picture", Encode(format, 100, 48, 32, i => quarters[i])), tolerance);

    /// <summary>Every format of the list is read, and cut short gets the same advice.</summary>
    [TestCase("PNG")]
    [TestCase("JPEG")]
    [TestCase("WebP")]
    [TestCase("GIF")]
    [TestCase("BMP")]
    [TestCase("ICO")]
    public void ListedFormatsAreReadAndCutShortTheyAreNamed(string format)
    {
        byte[] file = format switch
        {
            "PNG" => Encode(SKEncodedImageFormat.Png, 100, 48, 32, i => quarters[i]),
            "JPEG" => Encode(SKEncodedImageFormat.Jpeg, 100, 48, 32, i => quarters[i]),
            "WebP" => Encode(SKEncodedImageFormat.Webp, 100, 48, 32, i => quarters[i]),
            "GIF" => Convert.FromHexString("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"),
            "BMP" => [.. "BM"u8, .. Convert.FromHexString("4600000000000000360000002800000002000000020000000100180000000000"
                + "10000000130b0000130b00000000000000000000"), .. new byte[16]],
            _ => Ico(Encode(SKEncodedImageFormat.Png, 100, 48, 32, i => quarters[i])),
        };
        Assert.That(PictureKinds.Readable, Does.Contain(format));
        Assert.That(PictureKinds.Of(file), Is.EqualTo(format));
        Assert.That(ImageReader.Decode("whole", file).Width, Is.Positive);
        foreach (int percent in new[] { 30, 50, 70 })
        {
            Assert.That(
                () => ImageReader.Decode("cut", file[..(file.Length * percent / 100)]),
                Refuses("cut: is cut short or damaged; copy it again"),
                $"{percent} %");
        }
    }

    [TestCase("ftypavif", 4, "AVIF")]
    [TestCase("ftypheic", 4, "HEIC")]
    [TestCase("II*\0", 0, "TIFF")]
    [TestCase("%PDF-1.7", 0, "PDF")]
    [TestCase("<!DOCTYPE html><html>", 0, "web page")]
    [TestCase("version https://git-lfs.github.com/spec/v1", 0, "git-lfs pointer")]
    public void OtherFilesAreNamed(string start, int at, string kind) => Assert.That(
        () => ImageReader.Decode("file", [.. new byte[at], .. System.Text.Encoding.ASCII.GetBytes(start), .. new byte[100]]),
        Throws.TypeOf<FileException>().With.Message.StartsWith("file: is ").And.Message.Contains(kind));

    static byte[] Ico(byte[] png) =>
        [0, 0, 1, 0, 1, 0, 48, 32, 0, 0, 1, 0, 32, 0, .. BitConverter.GetBytes(png.Length), 22, 0, 0, 0, .. png];

    /// <summary>PNG colour types: 0 grey, 2 RGB, 4 grey with alpha, 6 RGB with alpha; samples of 16 bits are big endian.</summary>
    [TestCase(8, 0, new byte[] { 90 }, 90, 90, 90)]
    [TestCase(16, 0, new byte[] { 90, 0 }, 90, 90, 90)]
    [TestCase(16, 2, new byte[] { 10, 0, 20, 0, 30, 0 }, 10, 20, 30)]
    [TestCase(8, 4, new byte[] { 90, 255 }, 90, 90, 90)]
    [TestCase(8, 4, new byte[] { 90, 0 }, 255, 255, 255)]
    [TestCase(8, 6, new byte[] { 10, 20, 30, 255 }, 10, 20, 30)]
    [TestCase(8, 6, new byte[] { 10, 20, 30, 0 }, 255, 255, 255)]
    [TestCase(8, 6, new byte[] { 0, 100, 200, 51 }, 204, 224, 244)]
    [TestCase(16, 6, new byte[] { 0, 0, 100, 100, 200, 200, 51, 51 }, 204, 224, 244)]
    [TestCase(1, 0, new byte[] { 0xFF }, 255, 255, 255)]
    [TestCase(1, 0, new byte[] { 0x00 }, 0, 0, 0)]
    public void EveryColourTypeIsRgbOnWhite(int bits, int colourType, byte[] pixel, int red, int green, int blue)
    {
        byte[] row = bits == 1 ? pixel : [.. Enumerable.Repeat(pixel, 5).SelectMany(part => part)];
        PixelImage image = ImageReader.Decode("png", PngParts.File(5, 3, bits, colourType, _ => row));
        int[] wanted = [red, green, blue];
        for (int i = 0; i < image.Rgb.Length; i++)
        {
            Assert.That((int)image.Rgb[i], Is.EqualTo(wanted[i % 3]).Within(bits == 16 ? 1 : 0), $"value {i}");
        }
    }

    [Test]
    public void PaletteWithTransparencyIsRead()
    {
        byte[] file = PngParts.File(2, 1, 8, 3, _ => [0, 1]);
        file = PngParts.Insert(file, "tRNS", [255, 0]);
        file = PngParts.Insert(file, "PLTE", [1, 2, 3, 4, 5, 6]);
        Assert.That(ImageReader.Decode("palette", file).Rgb, Is.EqualTo(new byte[] { 1, 2, 3, 255, 255, 255 }));
    }

    /// <summary>Print shops store ink, inverted, with Adobe's marker.</summary>
    [Test]
    public void CmykJpegIsRead()
    {
        // Stored 255 means no ink: cyan's absence 55, magenta's 155, yellow's 255, black's 255.
        PixelImage image = ImageReader.Decode("cmyk", CmykJpeg(55, 155, 255, 255));
        Assert.That((image.Width, image.Height), Is.EqualTo((8, 8)));
        Assert.That(image.Rgb[..3].Select(value => (int)value), Is.EqualTo(new[] { 55, 155, 255 }).Within(2));
    }

    [TestCase(SKEncodedImageFormat.Png)]
    [TestCase(SKEncodedImageFormat.Jpeg)]
    [TestCase(SKEncodedImageFormat.Webp)]
    public void TruncatedFilesAreErrors(SKEncodedImageFormat format)
    {
        byte[] whole = Encode(format, 90, 48, 32, i => quarters[i]);
        foreach (int length in new[] { 1, 10, whole.Length / 4, whole.Length / 2, whole.Length * 3 / 4 })
        {
            byte[] part = whole[..length];
            Assert.That(() => ImageReader.Decode("part", part), Throws.TypeOf<FileException>(), $"{length} of {whole.Length} bytes");
        }
    }

    [Test]
    public void FilesThatAreNoPicturesAreErrors()
    {
        Assert.That(() => ImageReader.Decode("empty.png", []), Refuses("empty.png: is empty"));
        Assert.That(() => ImageReader.Decode("text.png", "a dog"u8.ToArray()), Refuses("text.png: is not a picture"));
        Assert.That(() => ImageReader.Read(folder.At("none.png")), Refuses($"{folder.At("none.png")}: no such file"));
        Assert.That(() => ImageReader.Read(folder.Path), Refuses(folder.Path));
    }

    /// <summary>A picture goes through streams and RGBA as it is; what is see-through lies on white.</summary>
    [Test]
    public void SpansAndStreamsHoldTheSamePicture()
    {
        byte[] rgb = [.. Enumerable.Range(0, 3 * 6).Select(i => (byte)(i * 13))];
        PixelImage image = PixelImage.FromRgb(3, 2, rgb);
        using var file = new MemoryStream();
        PngWriter.Write(file, image);
        Assert.That(file.CanWrite, "it stays open");
        file.Position = 0;
        Assert.That(ImageReader.Read(file).Rgb, Is.EqualTo(rgb));
        var rgba = new byte[4 * 6];
        image.CopyToRgba(rgba);
        Assert.That(PixelImage.FromRgba(3, 2, rgba).Pixels.ToArray(), Is.EqualTo(rgb));
        rgba.AsSpan().Clear();
        Assert.That(PixelImage.FromRgba(3, 2, rgba).Rgb, Is.All.EqualTo(255), "nothing on white");
        Assert.That(() => PixelImage.FromRgb(2, 2, rgb), Throws.ArgumentException);
        Assert.That(() => image.CopyToRgba(new byte[23]), Throws.ArgumentException);
        Assert.That(
            () => ImageReader.Read(new MemoryStream([1, 2, 3]), "upload"),
            Throws.TypeOf<FileException>().With.Message.StartsWith("upload: "));
    }

    [Test]
    public void MoreThan64MegapixelsAreRefusedFromTheHeader()
    {
        byte[] file = PngParts.WithSize(Encode(SKEncodedImageFormat.Png, 100, 8, 8, i => quarters[i]), 8001, 8000);
        Assert.That(() => ImageReader.Decode("large.png", file), Refuses("large.png: has 8001 x 8000 pixels"));
    }

    static NUnit.Framework.Constraints.IConstraint Refuses(string start) => Throws.TypeOf<FileException>().With.Message.StartsWith(start);

    static void AssertQuarters(PixelImage image, int tolerance)
    {
        for (int quarter = 0; quarter < 4; quarter++)
        {
            int x = image.Width * (1 + 2 * (quarter % 2)) / 4;
            int y = image.Height * (1 + 2 * (quarter / 2)) / 4;
            (byte r, byte g, byte b) = quarters[quarter];
            IEnumerable<int> pixel = image.Rgb.AsSpan(3 * (y * image.Width + x), 3).ToArray().Select(value => (int)value);
            Assert.That(pixel, Is.EqualTo(new int[] { r, g, b }).Within(tolerance), $"quarter {quarter}");
        }
    }

    /// <summary>A picture of four plain quarters.</summary>
    static byte[] Encode(SKEncodedImageFormat format, int quality, int width, int height, Func<int, (byte R, byte G, byte B)> quarter)
    {
        using var bitmap = new SKBitmap(width, height);
        for (int i = 0; i < width * height; i++)
        {
            (int x, int y) = (i % width, i / width);
            (byte r, byte g, byte b) = quarter(x * 2 / width + 2 * (y * 2 / height));
            bitmap.SetPixel(x, y, new SKColor(r, g, b));
        }

        using SKData data = bitmap.Encode(format, quality);
        return data.ToArray();
    }

    /// <summary>An APP1 segment behind the start marker: little-endian TIFF with the one tag 274.</summary>
    static byte[] InsertExif(byte[] jpeg, int orientation)
    {
        byte[] exif =
        [
            .. "Exif\0\0II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0,
        ];
        return [.. jpeg[..2], .. Segment(0xE1, exif), .. jpeg[2..]];
    }

    /// <summary>8 x 8 pixels of one colour, four components: a baseline JPEG whose blocks have a DC coefficient and nothing else.</summary>
    static byte[] CmykJpeg(params byte[] components)
    {
        // Quantiser 8 makes a DC coefficient q the value q + 128. All 12 DC categories have codes of 4 bits, "end of block" is one bit, 0.
        var bits = new List<bool>();
        foreach (byte component in components)
        {
            int value = component - 128;
            int category = 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)Math.Abs(value));
            Put(category, 4);
            Put(value < 0 ? value + (1 << category) - 1 : value, category);
            Put(0, 1);
        }

        while (bits.Count % 8 != 0)
        {
            bits.Add(true);
        }

        IEnumerable<byte> scan = bits.Chunk(8)
            .Select(part => (byte)part.Aggregate(0, (sum, bit) => 2 * sum + (bit ? 1 : 0)))
            .SelectMany(part => part == 0xFF ? new byte[] { 0xFF, 0 } : [part]);
        return
        [
            0xFF, 0xD8,
            .. Segment(0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0]),
            .. Segment(0xDB, [0, .. Enumerable.Repeat((byte)8, 64)]),
            .. Segment(0xC0, [8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]),
            .. Segment(0xC4, [0x00, 0, 0, 0, 12, .. new byte[12], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
            .. Segment(0xC4, [0x10, 1, .. new byte[15], 0]),
            .. Segment(0xDA, [4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]),
            .. scan,
            0xFF, 0xD9,
        ];

        void Put(int value, int count)
        {
            for (int i = count - 1; i >= 0; i--)
            {
                bits.Add((value >> i & 1) != 0);
            }
        }
    }

    static byte[] Segment(byte marker, byte[] body)
    {
        var length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)(body.Length + 2));
        return [0xFF, marker, .. length, .. body];
    }
}
