namespace JeDi.Files.Random;

/// <summary>
/// Random numbers that follow from a seed, a step and what they are for (SplitMix64, Steele et al. 2014): a run that is resumed draws what
/// the run that went on would have drawn, and no state has to be kept.
/// </summary>
public sealed class SplitMix(long seed, long step, int purpose)
{
    const ulong Increment = 0x9E3779B97F4A7C15;

    ulong state = Mix(Mix(Mix((ulong)seed) + (ulong)step) + (ulong)purpose);

    /// <summary>[0, 1).</summary>
    public double Uniform() => (Next() >> 11) * (1.0 / (1L << 53));

    /// <summary>0 to <paramref name="count"/> - 1.</summary>
    public int Below(int count) => (int)(Uniform() * count);

    /// <summary>A place in the list, in proportion to the weights.</summary>
    public int Weighted(IReadOnlyList<double> weights)
    {
        double at = Uniform() * weights.Sum();
        for (int i = 0; i < weights.Count; i++)
        {
            at -= weights[i];
            if (at < 0)
            {
                return i;
            }
        }

        return weights.Count - 1;
    }

    /// <summary><paramref name="count"/> different numbers below <paramref name="below"/>, in random order.</summary>
    public int[] Choose(int count, int below)
    {
        int[] all = [.. Enumerable.Range(0, below)];
        for (int i = 0; i < count; i++)
        {
            int other = i + Below(below - i);
            (all[i], all[other]) = (all[other], all[i]);
        }

        return all[..count];
    }

    /// <summary>Standard normal numbers (Box and Muller, 1958).</summary>
    public void Normal(Span<float> values)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - Uniform()));
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * Uniform());
            values[i] = (float)(radius * cosine);
            if (i + 1 < values.Length)
            {
                values[i + 1] = (float)(radius * sine);
            }
        }
    }

    ulong Next() => Mix(state += Increment);

    static ulong Mix(ulong z)
    {
        z += Increment;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
