namespace JeDi.Tests.Operations;

static partial class Plain<T>
{
    /// <summary>Two passes over each group of an image; x [images, pixels, channels].</summary>
    public static T[] GroupNorm(T[] x, T[] scale, T[] shift, int images, int groups, float eps, bool silu)
    {
        int channels = scale.Length;
        int width = channels / groups;
        int imageSize = x.Length / images;
        var y = new T[x.Length];
        for (int set = 0; set < images * groups; set++)
        {
            int first = set / groups * imageSize + set % groups * width;
            int[] members = [.. Enumerable.Range(0, imageSize / channels * width).Select(i => first + i / width * channels + i % width)];
            foreach ((int index, T value) in members.Zip(Normalise([.. members.Select(index => x[index])], eps)))
            {
                T result = value * scale[index % channels] + shift[index % channels];
                y[index] = silu ? result / (T.One + T.Exp(-result)) : result;
            }
        }

        return y;
    }

    /// <summary>Two passes over each row of x [rows, width].</summary>
    public static T[] LayerNorm(T[] x, T[] scale, T[] shift, float eps) =>
        [.. x.Chunk(scale.Length).SelectMany(row => Normalise(row, eps)
            .Select((value, i) => value * scale[i] + shift[i]))];

    static T[] Normalise(T[] x, float eps)
    {
        T count = T.CreateChecked(x.Length);
        T sum = T.Zero;
        foreach (T value in x)
        {
            sum += value;
        }

        T mean = sum / count;
        T squares = T.Zero;
        foreach (T value in x)
        {
            T difference = value - mean;
            squares += difference * difference;
        }

        T deviation = T.Sqrt(squares / count + T.CreateChecked(eps));
        return [.. x.Select(value => (value - mean) / deviation)];
    }
}
