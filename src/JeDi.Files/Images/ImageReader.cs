using System.Runtime.InteropServices;
using SkiaSharp;

namespace JeDi.Files.Images;

/// <summary>
/// The formats of <see cref="PictureKinds.Readable"/>, of any orientation, with or without alpha, grey or colour, 8 or 16 bits, to RGB on
/// white. Sizes are judged from the header, before any memory is taken.
/// </summary>
public static class ImageReader
{
    /// <summary>Largest picture that is read.</summary>
    public const long MostPixels = 64_000_000;

    /// <summary>Longest side that is read, as JPEG has it.</summary>
    public const int LongestSide = 65_535;

    const long LargestFile = 1L << 30;
    const int StretchBytes = 4 << 20;

    /// <summary>The picture of a file.</summary>
    /// <exception cref="FileException">Missing, empty, not a picture, cut short, or too large.</exception>
    public static PixelImage Read(string path) => Decode(path, WholeFile.Read(path, LargestFile, "a picture"));

    /// <summary>The same, with the picture's alpha as grey: white where it is opaque; null if it is so everywhere.</summary>
    public static (PixelImage Picture, PixelImage? Alpha) ReadWithAlpha(string path)
    {
        PixelImage? alpha = null;
        PixelImage picture = Decode(path, WholeFile.Read(path, LargestFile, "a picture"), ref alpha, wanted: true);
        return (picture, alpha);
    }

    /// <summary>The same for a stream, read to its end; <paramref name="name"/> is for messages.</summary>
    /// <exception cref="FileException">Empty, not a picture, cut short, or too large.</exception>
    public static PixelImage Read(Stream stream, string name = "stream")
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var file = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
        {
            if (file.Length + count > LargestFile)
            {
                throw new FileException(name, $"has more than {LargestFile >> 20} MB, which is too large for a picture");
            }

            file.Write(buffer, 0, count);
        }

        return Decode(name, file.ToArray());
    }

    /// <summary>The same for a file in memory; <paramref name="name"/> is for messages.</summary>
    public static PixelImage Decode(string name, byte[] file)
    {
        PixelImage? alpha = null;
        return Decode(name, file, ref alpha, wanted: false);
    }

    static PixelImage Decode(string name, byte[] file, ref PixelImage? alpha, bool wanted)
    {
        if (file.Length == 0)
        {
            throw new FileException(name, "is empty");
        }

        using SKData data = SKData.CreateCopy(file);
        using SKCodec codec = SKCodec.Create(data)
            ?? throw PictureKinds.NotRead(name, file);
        int width = codec.Info.Width;
        int height = codec.Info.Height;
        long pixels = (long)width * height;
        if (width < 1 || height < 1 || pixels > MostPixels || Math.Max(width, height) > LongestSide)
        {
            string limits = $"1 to {MostPixels / 1_000_000} megapixels are read, {LongestSide} on a side";
            throw new FileException(name, $"has {width} x {height} pixels; {limits}, make it smaller");
        }

        var format = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul, null);
        var picture = new Picture(name, codec, format, file);
        long needed = DecodingMemory.Bytes(codec.EncodedFormat, file, pixels);
        if (needed > DecodingMemory.Allowed(file.Length))
        {
            // A small file that claims many pixels must show them before memory is taken for them.
            if (!DecodingMemory.ComesInRows(codec.EncodedFormat, file))
            {
                throw new FileException(
                    name,
                    $"claims {width} x {height} pixels, {needed >> 20} MB, in {file.Length} bytes; save it as a plain PNG or JPEG");
            }

            picture.Decode((_, _) => { });
        }

        var turn = new Turn(ExifOrientation.Of(file) ?? codec.EncodedOrigin, width, height);
        var rgb = new byte[3 * pixels];
        byte[]? share = wanted && codec.Info.AlphaType != SKAlphaType.Opaque ? new byte[3 * pixels] : null;
        picture.Decode((row, y) => PutRow(row, rgb, share, turn, y));
        alpha = share is null || share.All(value => value == 255) ? null : new PixelImage(turn.Width, turn.Height, share);
        return new PixelImage(turn.Width, turn.Height, rgb);
    }

    /// <summary>A file and its decoder.</summary>
    sealed class Picture(string name, SKCodec codec, SKImageInfo format, byte[] file)
    {
        public delegate void TakeRow(ReadOnlySpan<byte> rgba, int y);

        /// <summary>Hands over all rows from the top.</summary>
        /// <exception cref="FileException">The file is damaged.</exception>
        public void Decode(TakeRow take)
        {
            bool jpeg = codec.EncodedFormat == SKEncodedImageFormat.Jpeg;
            bool png = codec.EncodedFormat == SKEncodedImageFormat.Png && DecodingMemory.ComesInRows(codec.EncodedFormat, file);
            bool atOnce = format.BytesSize64 + 3L * format.Width * format.Height <= DecodingMemory.Allowed(file.Length);
            int rows = jpeg ? 1 : png && !atOnce ? Math.Clamp(StretchBytes / format.RowBytes, 1, format.Height) : format.Height;
            var pixels = new byte[(long)rows * format.RowBytes];
            var pin = GCHandle.Alloc(pixels, GCHandleType.Pinned);
            try
            {
                Expect(jpeg ? codec.StartScanlineDecode(format) : SKCodecResult.Success);
                for (int top = 0; top < format.Height; top += rows)
                {
                    int count = Math.Min(rows, format.Height - top);
                    Expect(jpeg ? ScanLines(pin.AddrOfPinnedObject())
                        : png ? Stretch(pin.AddrOfPinnedObject(), top, count)
                        : codec.GetPixels(format, pin.AddrOfPinnedObject()));
                    for (int y = 0; y < count; y++)
                    {
                        take(pixels.AsSpan(y * format.RowBytes, format.RowBytes), top + y);
                    }
                }
            }
            finally
            {
                pin.Free();
            }
        }

        SKCodecResult ScanLines(nint pixels) =>
            codec.GetScanlines(pixels, 1, format.RowBytes) == 1 ? SKCodecResult.Success : SKCodecResult.IncompleteInput;

        /// <summary>The decoder starts over for each stretch, which costs little where a small file holds many pixels.</summary>
        SKCodecResult Stretch(nint pixels, int top, int count)
        {
            var options = new SKCodecOptions(new SKRectI(0, top, format.Width, top + count));
            SKCodecResult result = codec.StartIncrementalDecode(format, pixels, format.RowBytes, options);
            return result == SKCodecResult.Success ? codec.IncrementalDecode(out _) : result;
        }

        void Expect(SKCodecResult result)
        {
            if (result != SKCodecResult.Success)
            {
                throw Undecodable(name, result);
            }
        }
    }

    /// <summary>Each format has its own word for a file that ends early or is no longer what it was.</summary>
    static FileException Undecodable(string name, SKCodecResult result) => new(
        name,
        result is SKCodecResult.IncompleteInput or SKCodecResult.ErrorInInput or SKCodecResult.InvalidInput
            ? PictureKinds.Damaged
            : $"cannot be decoded ({result}); save it as PNG or JPEG");

    /// <summary>Lays row y of the file on white and puts it where it belongs in the upright picture.</summary>
    static void PutRow(ReadOnlySpan<byte> rgba, byte[] rgb, byte[]? share, Turn turn, int y)
    {
        (int to, int step) = turn.Row(y);
        for (int i = 0; i < rgba.Length; i += 4, to += step)
        {
            int alpha = rgba[i + 3];
            for (int c = 0; c < 3; c++)
            {
                rgb[3 * to + c] = (byte)((rgba[i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
            }

            share?.AsSpan(3 * to, 3).Fill((byte)alpha);
        }
    }

    /// <summary>Where the pixels of a file go in the upright picture: the eight EXIF orientations.</summary>
    readonly struct Turn(SKEncodedOrigin origin, int width, int height)
    {
        bool Swapped => origin
            is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;

        public int Width => Swapped ? height : width;

        public int Height => Swapped ? width : height;

        /// <summary>Place of the first pixel of row y of the file, and the way from each pixel to the next.</summary>
        public (int First, int Step) Row(int y)
        {
            int below = height - 1 - y;
            int right = width - 1;
            return origin switch
            {
                SKEncodedOrigin.TopRight => (y * width + right, -1),
                SKEncodedOrigin.BottomRight => (below * width + right, -1),
                SKEncodedOrigin.BottomLeft => (below * width, 1),
                SKEncodedOrigin.LeftTop => (y, height),
                SKEncodedOrigin.RightTop => (below, height),
                SKEncodedOrigin.RightBottom => (right * height + below, -height),
                SKEncodedOrigin.LeftBottom => (right * height + y, -height),
                _ => (y * width, 1),
            };
        }
    }
}
