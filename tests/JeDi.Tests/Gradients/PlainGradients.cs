using System.Numerics;
using JeDi.Tensors;
using JeDi.Tests.Operations;

namespace JeDi.Tests.Backward;

/// <summary>Backward operations as plain loops: in double they are the reference, in float the measure of what an error may be.</summary>
static partial class PlainGradients
{
    /// <summary>Of act(x w^T + bias): dx, dw, dbias.</summary>
    public static (T[] Dx, T[] Dw, T[] Dbias) Gemm<T>(
        float[] x, float[] w, float[] bias, float[] dy, int m, int n, int k, Activation activation)
        where T : IFloatingPointIeee754<T>
    {
        T[] p = Plain.Gemm<T>(x, w, bias, null, m, n, k, Activation.None);
        var dp = new T[m * n];
        for (int i = 0; i < dp.Length; i++)
        {
            int row = i / n;
            int column = i % n;
            if (activation == Activation.Geglu)
            {
                int half = n / 2;
                T d = T.CreateChecked(dy[row * half + column % half]);
                T h = p[row * n + column % half];
                T g = p[row * n + half + column % half];
                dp[i] = column < half ? d * g * T.CreateChecked(Phi(double.CreateChecked(g))) : d * h * Slope(g, Activation.Gelu);
            }
            else
            {
                dp[i] = T.CreateChecked(dy[i]) * Slope(p[i], activation);
            }
        }

        var dx = new T[m * k];
        var dw = new T[n * k];
        var dbias = new T[n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                T d = dp[i * n + j];
                dbias[j] += d;
                for (int c = 0; c < k; c++)
                {
                    dx[i * k + c] += d * T.CreateChecked(w[j * k + c]);
                    dw[j * k + c] += d * T.CreateChecked(x[i * k + c]);
                }
            }
        }

        return (dx, dw, dbias);
    }

    /// <summary>Of conv(x, w) + bias + rowBias: dx, dw, dbias, drowBias.</summary>
    public static (T[] Dx, T[] Dw, T[] Dbias, T[] DrowBias) Conv2d<T>(
        float[] x, float[] w, float[] dy, Shape input, int o, int kernel, ConvGeometry geometry)
        where T : IFloatingPointIeee754<T>
    {
        (int images, int height, int width, int channels) = (input[0], input[1], input[2], input[3]);
        int outHeight = geometry.OutputSize(height, kernel);
        int outWidth = geometry.OutputSize(width, kernel);
        int border = geometry.Padding == Padding.Same ? kernel / 2 : 0;
        int scale = geometry.Upsample ? 2 : 1;
        var dx = new T[x.Length];
        var dw = new T[w.Length];
        var dbias = new T[o];
        var drow = new T[images * o];
        for (int index = 0; index < dy.Length; index++)
        {
            int channel = index % o;
            int column = index / o % outWidth;
            int row = index / o / outWidth % outHeight;
            int image = index / o / outWidth / outHeight;
            T d = T.CreateChecked(dy[index]);
            dbias[channel] += d;
            drow[image * o + channel] += d;
            for (int tap = 0; tap < kernel * kernel; tap++)
            {
                int r = row * geometry.Stride + tap / kernel - border;
                int c = column * geometry.Stride + tap % kernel - border;
                if (r < 0 || r >= height * scale || c < 0 || c >= width * scale)
                {
                    continue;
                }

                int at = ((image * height + r / scale) * width + c / scale) * channels;
                int with = (channel * kernel * kernel + tap) * channels;
                for (int i = 0; i < channels; i++)
                {
                    dx[at + i] += d * T.CreateChecked(w[with + i]);
                    dw[with + i] += d * T.CreateChecked(x[at + i]);
                }
            }
        }

        return (dx, dw, dbias, drow);
    }

    /// <summary>Of act(normalise(x) scale + shift) for groups: dx, dscale, dshift; x [images, pixels, channels].</summary>
    public static (T[] Dx, T[] Dscale, T[] Dshift) Norm<T>(
        float[] x, float[] scale, float[] shift, float[] dy, int images, int groups, float eps, bool silu)
        where T : IFloatingPointIeee754<T>
    {
        int channels = scale.Length;
        int width = channels / groups;
        int imageSize = x.Length / images;
        var dx = new T[x.Length];
        var dscale = new T[channels];
        var dshift = new T[channels];
        for (int set = 0; set < images * groups; set++)
        {
            int first = set / groups * imageSize + set % groups * width;
            int[] members = [.. Enumerable.Range(0, imageSize / channels * width).Select(i => first + i / width * channels + i % width)];
            T count = T.CreateChecked(members.Length);
            T mean = T.Zero;
            foreach (int i in members)
            {
                mean += T.CreateChecked(x[i]);
            }

            mean /= count;
            T squares = T.Zero;
            foreach (int i in members)
            {
                squares += (T.CreateChecked(x[i]) - mean) * (T.CreateChecked(x[i]) - mean);
            }

            T inverse = T.One / T.Sqrt(squares / count + T.CreateChecked(eps));
            T slopes = T.Zero;
            T normalSlopes = T.Zero;
            foreach (int i in members)
            {
                (T normal, T slope) = Slopes(i);
                dshift[i % channels] += slope;
                dscale[i % channels] += slope * normal;
                slopes += slope * T.CreateChecked(scale[i % channels]);
                normalSlopes += slope * T.CreateChecked(scale[i % channels]) * normal;
            }

            foreach (int i in members)
            {
                (T normal, T slope) = Slopes(i);
                dx[i] = inverse * (slope * T.CreateChecked(scale[i % channels]) - slopes / count - normal * normalSlopes / count);
            }

            (T Normal, T Slope) Slopes(int i)
            {
                T normal = (T.CreateChecked(x[i]) - mean) * inverse;
                T z = normal * T.CreateChecked(scale[i % channels]) + T.CreateChecked(shift[i % channels]);
                T slope = silu ? Slope(z, Activation.Silu) : T.One;
                return (normal, T.CreateChecked(dy[i]) * slope);
            }
        }

        return (dx, dscale, dshift);
    }

    /// <summary>One set: dq, dk, dv and the sums of dS over queries and heads, a key each.</summary>
    public static (T[] Dq, T[] Dk, T[] Dv, T[] Dbias) Attention<T>(
        float[] q, float[] k, float[] v, float[] dy, int channels, int heads, float[]? bias, bool causal)
        where T : IFloatingPointIeee754<T>
    {
        int width = channels / heads;
        int keys = k.Length / channels;
        T root = T.Sqrt(T.CreateChecked(width));
        var dq = new T[q.Length];
        var dk = new T[k.Length];
        var dv = new T[v.Length];
        var dbias = new T[keys];
        (T[] queries, T[] allKeys) = (Plain.As<T>(q), Plain.As<T>(k));
        T[]? biases = bias is null ? null : Plain.As<T>(bias);
        for (int row = 0; row < q.Length / channels * heads; row++)
        {
            int query = row / heads;
            int first = row % heads * width;
            T[] weights = Plain<T>.Weights(queries, allKeys, channels, query, first, width, biases, causal);
            var slopes = new T[keys];
            T mean = T.Zero;
            for (int key = 0; key < keys; key++)
            {
                for (int c = first; c < first + width; c++)
                {
                    slopes[key] += T.CreateChecked(dy[query * channels + c]) * T.CreateChecked(v[key * channels + c]);
                    dv[key * channels + c] += weights[key] * T.CreateChecked(dy[query * channels + c]);
                }

                mean += weights[key] * slopes[key];
            }

            for (int key = 0; key < keys; key++)
            {
                T slope = weights[key] * (slopes[key] - mean);
                dbias[key] += slope;
                for (int c = first; c < first + width; c++)
                {
                    dq[query * channels + c] += slope * T.CreateChecked(k[key * channels + c]) / root;
                    dk[key * channels + c] += slope * T.CreateChecked(q[query * channels + c]) / root;
                }
            }
        }

        return (dq, dk, dv, dbias);
    }

    /// <summary>
    /// Largest sums of magnitudes in the gradients of one set: where the slopes cancel, with one key for instance, nothing else is left.
    /// </summary>
    public static (double Dq, double Dk, double Dbias) AttentionScale(AttentionRun set, float[] dy, float[]? bias)
    {
        int width = set.Channels / set.Heads;
        int keys = set.K.Length / set.Channels;
        var dq = new double[set.Q.Length];
        var dk = new double[set.K.Length];
        var dbias = new double[keys];
        (double[] queries, double[] allKeys) = (Plain.As<double>(set.Q), Plain.As<double>(set.K));
        double[]? biases = bias is null ? null : Plain.As<double>(bias);
        for (int row = 0; row < set.Q.Length / set.Channels * set.Heads; row++)
        {
            int query = row / set.Heads * set.Channels;
            int first = row % set.Heads * width;
            double[] weights = Plain<double>.Weights(
                queries, allKeys, set.Channels, row / set.Heads, first, width, biases, set.Causal);
            double[] sums = [.. weights.Select((_, key) => Enumerable.Range(first, width).Sum(c =>
                Math.Abs((double)dy[query + c] * set.V[key * set.Channels + c])))];
            double mean = weights.Zip(sums, (weight, sum) => weight * sum).Sum();
            for (int i = 0; i < keys * width; i++)
            {
                int key = i / width;
                int c = first + i % width;
                double slope = weights[key] * (sums[key] + mean);
                dbias[key] += i % width == 0 ? slope : 0;
                dq[query + c] += slope * Math.Abs(set.K[key * set.Channels + c]) / Math.Sqrt(width);
                dk[key * set.Channels + c] += slope * Math.Abs(set.Q[query + c]) / Math.Sqrt(width);
            }
        }

        return (dq.Max(), dk.Max(), dbias.Max());
    }

    static T Slope<T>(T value, Activation activation) where T : IFloatingPointIeee754<T>
    {
        double x = double.CreateChecked(value);
        double s = 1 / (1 + Math.Exp(activation == Activation.QuickGelu ? -1.702 * x : -x));
        return T.CreateChecked(activation switch
        {
            Activation.Silu => s * (1 + x * (1 - s)),
            Activation.QuickGelu => s * (1 + 1.702 * x * (1 - s)),
            Activation.Gelu => Phi(x) + x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI),
            _ => 1,
        });
    }

    static double Phi(double x) => (1 + Plain.Erf(x / Math.Sqrt(2))) / 2;
}
