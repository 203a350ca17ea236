using System.Numerics;

namespace JeDi.Tests.Operations;

static partial class Plain
{
    /// <summary>Two passes over each group of an image; x [images, pixels, channels].</summary>
    public static T[] GroupNorm<T>(float[] x, float[] scale, float[] shift, int images, int groups, float eps, bool silu)
        where T : IFloatingPointIeee754<T>
    {
        int channels = scale.Length;
        int width = channels / groups;
        int imageSize = x.Length / images;
        var y = new T[x.Length];
        for (int set = 0; set < images * groups; set++)
        {
            int first = set / groups * imageSize + set % groups * width;
            int[] members = [.. Enumerable.Range(0, imageSize / channels * width).Select(i => first + i / width * channels + i % width)];
            foreach ((int index, T value) in members.Zip(Normalise<T>([.. members.Select(index => x[index])], eps)))
            {
                T result = value * T.CreateChecked(scale[index % channels]) + T.CreateChecked(shift[index % channels]);
                y[index] = silu ? result / (T.One + T.Exp(-result)) : result;
            }
        }

        return y;
    }

    /// <summary>Two passes over each row of x [rows, width].</summary>
    public static T[] LayerNorm<T>(float[] x, float[] scale, float[] shift, float eps) where T : IFloatingPointIeee754<T> =>
        [.. x.Chunk(scale.Length).SelectMany(row => Normalise<T>(row, eps)
            .Select((value, i) => value * T.CreateChecked(scale[i]) + T.CreateChecked(shift[i])))];

    static T[] Normalise<T>(float[] x, float eps) where T : IFloatingPointIeee754<T>
    {
        T count = T.CreateChecked(x.Length);
        T sum = T.Zero;
        foreach (float value in x)
        {
            sum += T.CreateChecked(value);
        }

        T mean = sum / count;
        T squares = T.Zero;
        foreach (float value in x)
        {
            T difference = T.CreateChecked(value) - mean;
            squares += difference * difference;
        }

        T deviation = T.Sqrt(squares / count + T.CreateChecked(eps));
        return [.. x.Select(value => (T.CreateChecked(value) - mean) / deviation)];
    }
}
