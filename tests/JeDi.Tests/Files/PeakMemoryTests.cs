using System.Globalization;
using JeDi.Files;
using JeDi.Files.Images;
using SkiaSharp;

namespace JeDi.Tests.Files;

/// <summary>
/// Small files of pictures as large as they may be: what the system counts for the process, the decoder's own memory included, stays
/// within 64 MB and 16 times the file.
/// </summary>
public sealed class PeakMemoryTests
{
    const long FreeBytes = 64L << 20;
    const int BytesPerFileByte = 16;
    const string Status = "/proc/self/status";
    const string ResetPeak = "/proc/self/clear_refs";

    static IEnumerable<TestCaseData> Files()
    {
        yield return Case("PNG, 18 megapixels", () => PngParts.File(5000, 3600, 1, 0, _ => new byte[625]));
        yield return Case("JPEG, 18 megapixels", () => Flat(SKEncodedImageFormat.Jpeg, 5000, 3600));
        yield return Case("WebP, 8 megapixels", () => Flat(SKEncodedImageFormat.Webp, 3200, 2500));
        yield return Case("PNG with alpha, 18 megapixels", () => PngParts.File(5000, 3600, 8, 6, _ => new byte[20_000]));

        static TestCaseData Case(string name, Func<byte[]> file) => new TestCaseData(file).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Files))]
    public void LargePicturesInSmallFiles(Func<byte[]> make)
    {
        byte[] file = make();
        PixelImage? image = null;
        long taken = Peak(() => image = ImageReader.Decode("large", file));
        TestContext.Out.WriteLine($"{image!.Width} x {image.Height} in {file.Length} bytes: {taken >> 20} MB");
        Assert.That(taken, Is.GreaterThan(3L * image.Width * image.Height / 2), "the peak is seen");
        Assert.That(taken, Is.LessThanOrEqualTo(FreeBytes + BytesPerFileByte * file.LongLength));
    }

    /// <summary>Half of what is claimed is there: no memory is taken for the other half, nor for the first.</summary>
    [TestCase(SKEncodedImageFormat.Png)]
    [TestCase(SKEncodedImageFormat.Jpeg)]
    public void LargeClaimsOfDamagedFiles(SKEncodedImageFormat format)
    {
        byte[] file = format == SKEncodedImageFormat.Png
            ? PngParts.WithSize(PngParts.File(8000, 4000, 1, 0, _ => new byte[1000]), 8000, 8000)
            : Flat(format, 8000, 8000)[..^20_000];
        long taken = Peak(() => Assert.That(() => ImageReader.Decode("claim", file), Throws.TypeOf<FileException>()));
        Assert.That(taken, Is.LessThanOrEqualTo(FreeBytes + BytesPerFileByte * file.LongLength));
    }

    /// <summary>The most that the process had beyond what it had before.</summary>
    static long Peak(Action action)
    {
        // Memory that the collector keeps for later would hide what is taken.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        try
        {
            File.WriteAllText(ResetPeak, "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Ignore($"this system does not tell the peak of a process's memory ({ResetPeak})");
        }

        long before = Bytes("VmRSS:");
        action();
        return Bytes("VmHWM:") - before;
    }

    static long Bytes(string key)
    {
        string line = File.ReadLines(Status).First(line => line.StartsWith(key, StringComparison.Ordinal));
        return 1024 * long.Parse(line[key.Length..].Replace("kB", ""), CultureInfo.InvariantCulture);
    }

    static byte[] Flat(SKEncodedImageFormat format, int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgb888x));
        bitmap.Erase(SKColors.Teal);
        using SKData data = bitmap.Encode(format, 50);
        return data.ToArray();
    }
}
