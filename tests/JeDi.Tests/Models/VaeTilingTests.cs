using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Models;

/// <summary>Tiles of networks of which it is known how far they see: what tiling changes then is known, too.</summary>
public sealed class VaeTilingTests
{
    /// <summary>
    /// Up to three tiles lie over a place in each direction. Rounded are: for each direction two additions of the total and a quotient, the
    /// product of both weights, that with the value, and eight additions of the nine.
    /// </summary>
    const double Rounding = 16.0 / (1 << 24);

    static readonly (int Height, int Width, int Tile)[] sizes =
        [(17, 40, 8), (9, 8, 8), (15, 15, 8), (31, 33, 16), (5, 64, 4), (3, 3, 1)];

    /// <summary>A network that sees one location alone has no border to miss: doubling, and every eighth pixel.</summary>
    [TestCase(1, 1)]
    [TestCase(2, 1)]
    [TestCase(1, 8)]
    public void TilesOfANetworkThatSeesOnePlaceAreTheWhole(int up, int down)
    {
        using Device device = Targets.EveryLevel[0].Make();
        var ops = new Ops(device, new Arena(device));
        foreach ((int height, int width, int tile) in sizes)
        {
            float[] x = Plain.Random(height * down * width * down, 1);
            Tensor whole = ops.From<float>([1, height * down, width * down, 1], x);
            float[] tiled = new VaeTiling(tile).Run(ops, whole, [1, height * up, width * up, 1], (o, part) =>
            {
                float[] resized = Resized(device.ToArray(part), part.Shape[2], up, down);
                return o.From<float>([1, part.Shape[1] * up / down, part.Shape[2] * up / down, 1], resized);
            });
            float[] expected = Resized(x, width * down, up, down);
            Assert.That(tiled, Has.Length.EqualTo(expected.Length));
            for (int i = 0; i < tiled.Length; i++)
            {
                string what = $"{height} x {width} in tiles of {tile}: {i}";
                Assert.That(tiled[i], Is.EqualTo(expected[i]).Within(Rounding * Math.Abs(expected[i])), what);
            }
        }

        ops.Arena.Release();
    }

    /// <summary>
    /// A network that sees one location further, zeros beyond the border: where no tile has a border of its own the tiled result is the
    /// whole one, and at each such border it is not.
    /// </summary>
    [Test]
    public void TilesDifferFromTheWholeAtTheirBordersAlone()
    {
        using Device device = Targets.EveryLevel[0].Make();
        var ops = new Ops(device, new Arena(device));
        foreach ((int height, int width, int tile) in sizes)
        {
            // All positive and different, so that a missing neighbour shows and a tile tells where it was cut.
            float[] x = [.. Enumerable.Range(0, height * width).Select(i => i + 1f)];
            var near = new bool[x.Length];
            Tensor whole = ops.From<float>([1, height, width, 1], x);
            float[] tiled = new VaeTiling(tile).Run(ops, whole, whole.Shape, (o, part) =>
            {
                float[] values = device.ToArray(part);
                Mark(near, (int)values[0] - 1, part.Shape[1], part.Shape[2], height, width);
                return o.From<float>(part.Shape, Blurred(values, part.Shape[2]));
            });
            float[] expected = Blurred(x, width);
            for (int i = 0; i < tiled.Length; i++)
            {
                bool equal = Math.Abs(tiled[i] - (double)expected[i]) <= Rounding * expected[i];
                Assert.That(equal, Is.EqualTo(!near[i]), $"{height} x {width} in tiles of {tile}: {i}, {tiled[i]} for {expected[i]}");
            }
        }

        ops.Arena.Release();
    }

    /// <summary>Marks the outermost places of a tile from <paramref name="first"/> on, but for those that end the picture.</summary>
    static void Mark(bool[] near, int first, int tileHeight, int tileWidth, int height, int width)
    {
        (int top, int left) = (first / width, first % width);
        (int bottom, int right) = (top + tileHeight - 1, left + tileWidth - 1);
        for (int y = top; y <= bottom; y++)
        {
            for (int x = left; x <= right; x++)
            {
                near[y * width + x] |= (y == top && y > 0) || (y == bottom && y < height - 1)
                    || (x == left && x > 0) || (x == right && x < width - 1);
            }
        }
    }

    /// <summary>Every value <paramref name="up"/> times in both directions, or of so many the first.</summary>
    static float[] Resized(float[] x, int width, int up, int down)
    {
        int wide = width * up / down;
        int high = x.Length / width * up / down;
        return [.. Enumerable.Range(0, high * wide).Select(i => x[i / wide * down / up * width + i % wide * down / up])];
    }

    /// <summary>The sum of each value and its eight neighbours.</summary>
    static float[] Blurred(float[] x, int width)
    {
        int height = x.Length / width;
        return
        [
            .. Enumerable.Range(0, x.Length).Select(i => Enumerable.Range(0, 9).Sum(tap =>
            {
                (int row, int column) = (i / width + tap / 3 - 1, i % width + tap % 3 - 1);
                return row < 0 || row >= height || column < 0 || column >= width ? 0 : x[row * width + column];
            })),
        ];
    }
}
