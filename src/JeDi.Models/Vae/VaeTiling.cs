using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Runs encoder or decoder on overlapping tiles and blends these linearly, so that memory is bounded by one tile whatever the
/// picture's size. Tiles differ from the whole only through what the networks see beyond a tile's border.
/// </summary>
/// <param name="Tile">Height and width of a tile in latent locations.</param>
public sealed record VaeTiling(int Tile)
{
    /// <summary>Neighbours share at least a quarter of a tile.</summary>
    int Stride => Math.Max(1, Tile - Tile / 4);

    /// <summary>The tile that a model was trained at.</summary>
    public static VaeTiling For(VaeConfig config) => new(Math.Max(1, config.SampleSize / config.Scale));

    /// <summary>Whether a latent of this size takes more than one tile.</summary>
    public bool Divides(int height, int width) => height > Tile || width > Tile;

    /// <summary>
    /// The blended result, [N, H', W', C'] row-major, of a network that turns a tile of <paramref name="x"/> [N, H, W, C] into one of
    /// the <paramref name="result"/>; one of the two has latent size.
    /// </summary>
    internal float[] Run(Ops ops, Tensor x, Shape result, Func<Ops, Tensor, Tensor> network)
    {
        float[] source = ops.Device.ToArray(x);
        var sum = new float[result.Count];
        int height = Math.Min(x.Shape[1], result[1]);
        int width = Math.Min(x.Shape[2], result[2]);
        Axis[] rows = [.. Axis.Cut(height, Math.Min(Tile, height), Stride, result[1] / height)];
        Axis[] columns = [.. Axis.Cut(width, Math.Min(Tile, width), Stride, result[2] / width)];
        int into = x.Shape[1] / height;
        for (int image = 0; image < x.Shape[0]; image++)
        {
            foreach (Axis row in rows)
            {
                foreach (Axis column in columns)
                {
                    using ArenaScope scope = ops.Scope();
                    Tensor tile = Cut(
                        ops, source, x.Shape, image, row.Start * into, column.Start * into, row.Size * into, column.Size * into);
                    Add(sum, result, image, ops.Device.ToArray(network(ops, tile)), row, column);
                }
            }
        }

        return sum;
    }

    static Tensor Cut(Ops ops, float[] source, Shape shape, int image, int top, int left, int height, int width)
    {
        int channels = shape[3];
        var tile = new float[height * width * channels];
        for (int y = 0; y < height; y++)
        {
            int from = ((image * shape[1] + top + y) * shape[2] + left) * channels;
            source.AsSpan(from, width * channels).CopyTo(tile.AsSpan(y * width * channels));
        }

        return ops.From<float>([1, height, width, channels], tile);
    }

    static void Add(float[] sum, Shape shape, int image, float[] tile, Axis row, Axis column)
    {
        int channels = shape[3];
        int top = row.Start * row.Scale;
        int left = column.Start * column.Scale;
        int i = 0;
        for (int y = 0; y < row.Weights.Length; y++)
        {
            int to = ((image * shape[1] + top + y) * shape[2] + left) * channels;
            for (int x = 0; x < column.Weights.Length; x++)
            {
                float weight = row.Weights[y] * column.Weights[x];
                for (int c = 0; c < channels; c++)
                {
                    sum[to++] += weight * tile[i++];
                }
            }
        }
    }

    /// <summary>One tile along one direction: where it starts and how much it counts at each place of the result.</summary>
    sealed record Axis(int Start, int Size, int Scale, float[] Weights)
    {
        /// <summary>Tiles of full size, evenly spread over the length; at every place their weights add up to 1.</summary>
        public static IEnumerable<Axis> Cut(int length, int tile, int stride, int scale)
        {
            int count = (length - tile + stride - 1) / stride + 1;
            int[] starts = [.. Enumerable.Range(0, count).Select(k => count == 1 ? 0 : (int)((long)k * (length - tile) / (count - 1)))];
            var total = new float[length * scale];
            var weights = new float[count][];
            for (int k = 0; k < count; k++)
            {
                int before = k == 0 ? 0 : (starts[k - 1] + tile - starts[k]) * scale;
                int after = k == count - 1 ? 0 : (starts[k] + tile - starts[k + 1]) * scale;
                weights[k] = [.. Enumerable.Range(0, tile * scale).Select(i => Ramp(i, before) * Ramp(tile * scale - 1 - i, after))];
                for (int i = 0; i < weights[k].Length; i++)
                {
                    total[starts[k] * scale + i] += weights[k][i];
                }
            }

            for (int k = 0; k < count; k++)
            {
                int start = starts[k];
                yield return new Axis(start, tile, scale, [.. weights[k].Select((weight, i) => weight / total[start * scale + i])]);
            }
        }

        /// <summary>Rises from 0 to 1 over the overlap.</summary>
        static float Ramp(int i, int overlap) => i >= overlap ? 1 : (i + 0.5f) / overlap;
    }
}
