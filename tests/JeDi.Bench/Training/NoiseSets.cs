using JeDi.Files.Images;
using JeDi.Files.Random;
using JeDi.Files.Sets;

namespace JeDi.Bench.Training;

/// <summary>A few sets of made-up pictures: what is timed is a step, not how its pictures come about.</summary>
sealed class NoiseSets : ISetSource
{
    const int Images = 4;

    public string Name => "noise";

    public int Count => 8;

    public string NameOf(int index) => $"noise {index}";

    public IReadOnlyList<string> Captions(int index) => [.. Enumerable.Range(0, Images).Select(i => $"a picture of noise {index} {i}")];

    public ImageSet Load(int index, int size)
    {
        var random = new SplitMix(1, index, 0);
        return new ImageSet([.. Enumerable.Range(0, Images).Select(_ => Picture(random, size))], Captions(index));
    }

    static PixelImage Picture(SplitMix random, int size)
    {
        var pixels = new byte[3 * size * size];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)random.Below(256);
        }

        return new PixelImage(size, size, pixels);
    }
}
