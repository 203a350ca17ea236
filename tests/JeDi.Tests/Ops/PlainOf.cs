using System.Numerics;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>Operations as plain loops on numbers of one type.</summary>
static partial class Plain<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>act(x w^T + bias) + residual; with GEGLU w holds values, then gates.</summary>
    public static T[] Gemm(T[] x, T[] w, T[]? bias, T[]? residual, int m, int n, int k, Activation activation)
    {
        int columns = activation == Activation.Geglu ? n / 2 : n;
        var y = new T[m * columns];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                T value = Dot(i, j);
                value = activation switch
                {
                    Activation.Geglu => value * Activate(Dot(i, j + columns), Activation.Gelu),
                    _ => Activate(value, activation),
                };
                y[i * columns + j] = residual is null ? value : value + residual[i * columns + j];
            }
        }

        return y;

        T Dot(int row, int column)
        {
            T sum = T.Zero;
            for (int p = 0; p < k; p++)
            {
                sum += x[row * k + p] * w[column * k + p];
            }

            return bias is null ? sum : sum + bias[column];
        }
    }

    /// <summary>conv(x, w) + bias + rowBias + residual; x [b, h, w, i], filter [o, kernel, kernel, i].</summary>
    public static T[] Conv2d(
        T[] x, T[] filter, T[]? bias, T[]? rowBias, T[]? residual, Shape input, int o, int kernel, ConvGeometry geometry)
    {
        (int images, int height, int width, int channels) = (input[0], input[1], input[2], input[3]);
        int outHeight = geometry.OutputSize(height, kernel);
        int outWidth = geometry.OutputSize(width, kernel);
        int border = geometry.Padding == Padding.Same ? kernel / 2 : 0;
        int scale = geometry.Upsample ? 2 : 1;
        var y = new T[images * outHeight * outWidth * o];
        for (int index = 0; index < y.Length; index++)
        {
            int channel = index % o;
            int column = index / o % outWidth;
            int row = index / o / outWidth % outHeight;
            int image = index / o / outWidth / outHeight;
            T sum = T.Zero;
            for (int tap = 0; tap < kernel * kernel; tap++)
            {
                int r = row * geometry.Stride + tap / kernel - border;
                int c = column * geometry.Stride + tap % kernel - border;
                if (r < 0 || r >= height * scale || c < 0 || c >= width * scale)
                {
                    continue;
                }

                int from = ((image * height + r / scale) * width + c / scale) * channels;
                int with = (channel * kernel * kernel + tap) * channels;
                for (int i = 0; i < channels; i++)
                {
                    sum += x[from + i] * filter[with + i];
                }
            }

            sum = bias is null ? sum : sum + bias[channel];
            sum = rowBias is null ? sum : sum + rowBias[image * o + channel];
            y[index] = residual is null ? sum : sum + residual[index];
        }

        return y;
    }

    static T Activate(T value, Activation activation)
    {
        double x = double.CreateChecked(value);
        return T.CreateChecked(activation switch
        {
            Activation.Silu => x / (1 + Math.Exp(-x)),
            Activation.QuickGelu => x / (1 + Math.Exp(-1.702 * x)),
            Activation.Gelu => x * 0.5 * (1 + Plain.Erf(x / Math.Sqrt(2))),
            _ => x,
        });
    }
}
