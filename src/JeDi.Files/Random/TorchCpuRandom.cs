namespace JeDi.Files.Random;

/// <summary>
/// The normal stream of <c>torch.randn(..., generator=torch.Generator("cpu").manual_seed(seed))</c>, bit for bit, draw after draw.
/// 16 values or more are drawn in blocks of 16 in single precision, fewer one by one in double precision, as PyTorch does it.
/// Like PyTorch's, the generator takes the low 32 bits of the seed.
/// </summary>
public sealed class TorchCpuRandom(long seed) : INormalStream
{
    const int Block = 16;

    readonly MersenneTwister bits = new((uint)seed);
    double? second;

    /// <summary>Fills with the stream's next draw of this many values.</summary>
    public void Normal(Span<float> values)
    {
        if (values.Length < Block)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)Scalar();
            }

            return;
        }

        Uniform(values);
        int whole = values.Length / Block * Block;
        for (int i = 0; i < whole; i += Block)
        {
            BoxMuller(values.Slice(i, Block));
        }

        if (whole < values.Length)
        {
            // The last 16 are drawn anew, over what the blocks left there.
            Span<float> last = values[^Block..];
            Uniform(last);
            BoxMuller(last);
        }
    }

    void Uniform(Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (bits.Next() & 0xFFFFFF) * (1f / (1 << 24));
        }
    }

    /// <summary>Values j and j + 8 are a pair: radius from the first, angle from the second.</summary>
    static void BoxMuller(Span<float> block)
    {
        for (int j = 0; j < Block / 2; j++)
        {
            float radius = MathF.Sqrt(-2 * CephesMath.Log(1 - block[j]));
            (float sin, float cos) = CephesMath.SinCos(2 * MathF.PI * block[j + 8]);
            block[j] = radius * cos;
            block[j + 8] = radius * sin;
        }
    }

    double Scalar()
    {
        if (second is double kept)
        {
            second = null;
            return kept;
        }

        double u1 = UniformDouble();
        double u2 = UniformDouble();
        double radius = Math.Sqrt(-2 * LogOnePlus(-u2));
        double angle = 2 * Math.PI * u1;
        second = radius * Math.Sin(angle);
        return radius * Math.Cos(angle);
    }

    double UniformDouble()
    {
        ulong high = bits.Next();
        ulong low = bits.Next();
        return (((high << 32) | low) & ((1UL << 53) - 1)) * (1.0 / (1L << 53));
    }

    /// <summary>log(1 + x), accurate near 0 (Kahan).</summary>
    static double LogOnePlus(double x)
    {
        double u = 1 + x;
        return u == 1 ? x : Math.Log(u) * x / (u - 1);
    }
}
