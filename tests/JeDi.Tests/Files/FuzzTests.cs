using System.Text;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Files.Safetensors;
using JeDi.Files.Tokenizer;
using JeDi.Tests.Models;
using SkiaSharp;

namespace JeDi.Tests.Files;

/// <summary>Every reader of files, on damaged files.</summary>
public sealed class FuzzTests
{
    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Safetensors()
    {
        string path = folder.At("fuzz.safetensors");
        SafetensorsItem[] items =
        [
            new("a.weight", SafetensorsType.F32, [2, 3]),
            new("a.bias", SafetensorsType.F16, [3]),
            new("ids", SafetensorsType.I64, []),
        ];
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        SafetensorsWriter.Write(path, items, metadata, (item, to) => to.Write(new byte[item.Bytes]));
        byte[] good = File.ReadAllBytes(path);
        AssertBoth(Fuzz.Run(400, 1, [good], bytes =>
        {
            File.WriteAllBytes(path, bytes);
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (SafetensorsEntry entry in file.Entries)
            {
                file.Read(entry, new byte[entry.Bytes]);
            }
        }));
    }

    [Test]
    public void SafetensorsHeaders()
    {
        const string good = """
            {"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
             "b":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},"ids":{"dtype":"I64","shape":[],"data_offsets":[30,38]}}
            """;
        byte[][] seeds = [Encoding.UTF8.GetBytes(good)];
        AssertBoth(Fuzz.Run(3000, 6, seeds, bytes => SafetensorsHeader.Parse("fuzz", bytes, 8 + bytes.Length + 38)));
    }

    [Test]
    public void SafetensorsIndex()
    {
        SafetensorsWriter.Write(folder.At("one"), [new("x", SafetensorsType.U8, [1])], null, (_, to) => to.WriteByte(1));
        string path = folder.At("fuzz.index.json");
        byte[] good = Encoding.UTF8.GetBytes("""{"metadata":{"total_size":1},"weight_map":{"x":"one"}}""");
        AssertBoth(Fuzz.Run(300, 2, [good], bytes =>
        {
            File.WriteAllBytes(path, bytes);
            SafetensorsSet.Open(path).Dispose();
        }));
    }

    [TestCase(SKEncodedImageFormat.Png, 1500)]
    [TestCase(SKEncodedImageFormat.Jpeg, 1500)]
    [TestCase(SKEncodedImageFormat.Webp, 1500)]
    public void Images(SKEncodedImageFormat format, int count)
    {
        byte[][] seeds = [Picture(format, 9, 5, 60), Picture(format, 33, 40, 100)];
        if (format == SKEncodedImageFormat.Png)
        {
            byte[] exif = [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
            seeds = [.. seeds, PngParts.Insert(seeds[0], "eXIf", exif)];
        }

        AssertBoth(Fuzz.Run(count, (int)format, seeds, bytes => ImageReader.Decode("fuzz", bytes)));
    }

    /// <summary>A header may claim any size: what it claims is not allocated.</summary>
    [Test]
    public void ImagesThatClaimGreatSizes()
    {
        byte[] png = Picture(SKEncodedImageFormat.Png, 9, 5, 100);
        (int Width, int Height)[] sizes = [(1 << 30, 1 << 30), (100_000, 1), (8000, 8000), (8001, 8000), (-1, 5), (0, 0), (5000, 4300)];
        foreach ((int width, int height) in sizes)
        {
            byte[] claimed = PngParts.WithSize(png, width, height);
            Fuzz.Run(50, width, [claimed], bytes => ImageReader.Decode("fuzz", bytes));
            Assert.That(() => ImageReader.Decode("fuzz", claimed), Throws.TypeOf<FileException>());
        }
    }

    [Test]
    public void PngTexts()
    {
        var image = new PixelImage(2, 2, new byte[12]);
        byte[] plain = PngWriter.Encode(image, [("parameters", "a dog, steps: 20"), ("jedi", """{"seed": 7}""")]);
        byte[] packed = PngParts.Insert(plain, "zTXt", [.. "old\0\0"u8, .. PngParts.Deflate("some text"u8.ToArray())]);
        byte[] both = PngParts.Insert(packed, "iTXt", [.. "new\0\u0001\0de\0neu\0"u8, .. PngParts.Deflate("Größe"u8.ToArray())]);
        Assert.That(PngText.Parse("good", both)["new"], Is.EqualTo("Größe"));
        AssertBoth(Fuzz.Run(3000, 3, [plain, both], bytes => PngText.Parse("fuzz", bytes)));
    }

    /// <summary>Zeros shrink a thousandfold; many such texts may not add up to more than a file may take.</summary>
    [Test]
    public void PngTextsThatGrow()
    {
        byte[] file = PngWriter.Encode(new PixelImage(2, 2, new byte[12]));
        byte[] bomb = PngParts.Deflate(new byte[7 << 20]);
        for (int i = 0; i < 40; i++)
        {
            file = PngParts.Insert(file, "zTXt", [(byte)('A' + i), 0, 0, .. bomb]);
        }

        Fuzz.Run(5, 4, [file], bytes => PngText.Parse("fuzz", bytes));
        Assert.That(() => PngText.Parse("bomb", file), Throws.TypeOf<FileException>());
    }

    [Test]
    public void TokenizerFiles()
    {
        string[] names = ["vocab.json", "merges.txt"];
        string good = Repository.Find("tests/golden/tokenizer");
        int read = 0;
        foreach (string name in names)
        {
            foreach (string copied in names)
            {
                File.Copy(Path.Combine(good, copied), folder.At(copied), overwrite: true);
            }

            (int opened, _) = Fuzz.Run(300, name.Length, [File.ReadAllBytes(Path.Combine(good, name))], bytes =>
            {
                File.WriteAllBytes(folder.At(name), bytes);
                Assert.That(ClipTokenizer.Open(folder.Path).Encode("a photo of a dog").Ids, Has.Length.EqualTo(ClipTokenizer.Length));
            });
            read += opened;
        }

        Assert.That(read, Is.Positive);
    }

    [Test]
    public void TokenizerTexts()
    {
        ClipTokenizer tokenizer = ClipTokenizer.Open(Repository.Find("weights/clip-tokenizer"));
        string[] seeds =
        [
            "a photo of the dog's 2 toys, at the BEACH!!! <|endoftext|> 日本の犬 🐕‍🦺 ﬁancée Ünïcödé İstanbul ΣΊΣΥΦΟΣ 각 각",
            new string('a', 3000) + new string('.', 3000) + new string('\u0301', 3000) + new string(' ', 3000),
        ];
        var random = new System.Random(5);
        Fuzz.Run(500, 5, [.. seeds.Select(Encoding.Unicode.GetBytes)], bytes =>
        {
            // Any sequence of 16-bit units, so unpaired surrogates too.
            int[] ids = tokenizer.Encode(Encoding.Unicode.GetString(bytes) + (char)random.Next(0xD800, 0xE000)).Ids;
            Assert.That(ids, Has.Length.EqualTo(ClipTokenizer.Length).And.All.InRange(0, tokenizer.VocabularySize - 1));
        });
    }

    static void AssertBoth((int Read, int Refused) counts)
    {
        Assert.That(counts.Read, Is.Positive, "no mutation was read");
        Assert.That(counts.Refused, Is.Positive, "no mutation was refused");
    }

    static byte[] Picture(SKEncodedImageFormat format, int width, int height, int quality)
    {
        using var bitmap = new SKBitmap(width, height);
        for (int i = 0; i < width * height; i++)
        {
            bitmap.SetPixel(i % width, i / width, new SKColor((byte)(i * 5), (byte)(i * 11), (byte)(i * 3), (byte)(255 - i % 7)));
        }

        using SKData data = bitmap.Encode(format, quality);
        return data.ToArray();
    }
}
