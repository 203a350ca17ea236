using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Tests.Models;

namespace JeDi.Tests.Files;

/// <summary>What is written into a PNG file is read back, and the texts of other programs too.</summary>
public sealed class PngTextTests
{
    static readonly (string Key, string Text)[] texts =
    [
        ("parameters", "a dog\nSteps: 20, Sampler: ddim, Seed: 7"),
        ("jedi", """{"prompt": "Größe 日本 🐕 \u0000", "seed": 7}"""),
        ("empty", ""),
    ];

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void PictureAndTextsComeBack()
    {
        string path = folder.At("picture.png");
        PixelImage image = ResamplingTests.Noise(new System.Random(1), 33, 21);
        PngWriter.Write(path, image, texts);
        PixelImage back = ImageReader.Read(path);
        Assert.That((back.Width, back.Height), Is.EqualTo((33, 21)));
        Assert.That(back.Rgb, Is.EqualTo(image.Rgb));
        Assert.That(PngText.Read(path).Select(text => (text.Key, text.Value)), Is.EqualTo(texts));
    }

    [Test]
    public void StreamsAndRgbaHoldTheSamePicture()
    {
        PixelImage image = ResamplingTests.Noise(new System.Random(2), 9, 7);
        using var stream = new MemoryStream();
        PngWriter.Write(stream, image, texts);
        stream.Position = 0;
        Assert.That(ImageReader.Read(stream).Pixels.ToArray(), Is.EqualTo(image.Rgb));
        var rgba = new byte[4 * 9 * 7];
        image.CopyToRgba(rgba);
        Assert.That(PixelImage.FromRgba(9, 7, rgba).Rgb, Is.EqualTo(image.Rgb));
        Assert.That(PixelImage.FromRgba(1, 1, [0, 100, 200, 51]).Rgb, Is.EqualTo(new byte[] { 204, 224, 244 }), "on white");
        Assert.That(() => PixelImage.FromRgba(2, 2, new byte[12]), Throws.ArgumentException);
    }

    [Test]
    public void PictureWithoutTextsHasNone() => Assert.That(PngText.Parse("plain", PngWriter.Encode(Dot())), Is.Empty);

    /// <summary>Viewers read texts that stand before the pixels; every chunk has its checksum.</summary>
    [Test]
    public void TextsStandBehindTheHeader()
    {
        byte[] file = PngWriter.Encode(Dot(), texts);
        List<string> types = [];
        for (int at = 8; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            types.Add(Encoding.ASCII.GetString(file, at + 4, 4));
            uint checksum = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at + 8 + length));
            Assert.That(checksum, Is.EqualTo(Crc32.HashToUInt32(file.AsSpan(at + 4, length + 4))), types[^1]);
            at += 12 + length;
        }

        Assert.That(types.Take(4), Is.EqualTo(new[] { "IHDR", "iTXt", "iTXt", "iTXt" }));
        Assert.That(types[^1], Is.EqualTo("IEND"));
    }

    /// <summary>tEXt and zTXt are Latin-1, iTXt is UTF-8 with a language and a translated keyword.</summary>
    [Test]
    public void TextsOfOtherProgramsAreRead()
    {
        byte[] file = PngWriter.Encode(Dot());
        file = PngParts.Insert(file, "tEXt", [.. "plain\0caf"u8, 0xE9]);
        file = PngParts.Insert(file, "zTXt", [.. "packed\0\0"u8, .. PngParts.Deflate([0xFC, 0x62])]);
        file = PngParts.Insert(file, "iTXt", [.. "far\0\0\0ja\0鍵\0犬"u8]);
        file = PngParts.Insert(file, "iTXt", [.. "both\0\u0001\0\0\0"u8, .. PngParts.Deflate(Encoding.UTF8.GetBytes("犬"))]);
        IReadOnlyDictionary<string, string> read = PngText.Parse("other", file);
        Assert.That((read["plain"], read["packed"], read["far"], read["both"]), Is.EqualTo(("café", "üb", "犬", "犬")));
    }

    [Test]
    public void FirstTextOfAKeywordCounts()
    {
        byte[] file = PngParts.Insert(PngWriter.Encode(Dot()), "tEXt", "key\0second"u8.ToArray());
        file = PngParts.Insert(file, "zTXt", "key without an end"u8.ToArray());
        file = PngParts.Insert(file, "tEXt", "key\0first"u8.ToArray());
        Assert.That(PngText.Parse("twice", file), Is.EqualTo(new Dictionary<string, string> { ["key"] = "first" }));
    }

    [Test]
    public void OtherFilesAreErrors()
    {
        byte[] file = PngWriter.Encode(Dot(), texts);
        byte[] damaged = PngParts.Insert(file, "zTXt", "key\0\0no zlib"u8.ToArray());
        Assert.That(() => PngText.Parse("a.png", "no PNG"u8), Throws.TypeOf<FileException>().With.Message.Contains("is not a PNG file"));
        Assert.That(() => PngText.Parse("a.png", file.AsSpan(0, 60)), Throws.TypeOf<FileException>().With.Message.Contains("cut short"));
        byte[] preset = PngParts.Insert(file, "zTXt", [.. "key\0\0"u8, 0x78, 0xBB, 0, 0, 0, 1, 0, 0, 0, 0]);
        Assert.That(() => PngText.Parse("a.png", preset), Throws.TypeOf<FileException>().With.Message.Contains("damaged"));
        Assert.That(() => PngText.Parse("a.png", damaged), Throws.TypeOf<FileException>().With.Message.Contains("damaged"));
        Assert.That(() => PngText.Read(folder.At("none.png")), Throws.TypeOf<FileException>().With.Message.Contains("no such file"));
        Assert.That(() => PngText.Read("a\0b"), Throws.TypeOf<FileException>());
    }

    static PixelImage Dot() => ResamplingTests.Flat(2, 2, 128);
}
