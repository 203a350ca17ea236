using JeDi.Cpu;

namespace JeDi.Tests.Operations;

public sealed unsafe class SimdMathTests
{
    static IEnumerable<float> Inputs => Enumerable.Range(-4000, 8001).Select(i => i * 0.0217f);

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void ExponentialsAreAccurate(SimdLevel level)
    {
        // Two units in the last place, and half a smallest number where the result underflows.
        foreach (float x in Inputs)
        {
            Close(Apply(level, x, 0), Math.Exp(x), 2.4e-7, $"exp({x})");
            Close(Apply(level, x, 1), Math.Pow(2, x), 2.4e-7, $"exp2({x})");
        }
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void ErrorFunctionIsAccurate(SimdLevel level)
    {
        foreach (float x in Inputs.Select(x => x / 20))
        {
            Close(Apply(level, x, 2), Plain.Erf(x), 2.4e-7, $"erf({x})");
        }
    }

    /// <summary>Also relative to tiny results.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void HyperbolicTangentIsAccurate(SimdLevel level)
    {
        foreach (float x in Inputs.Select(x => x / 20).Concat([1e-30f, -1e-6f, 1e-3f, 0.6249999f, 0.625f, -9.1f, 40, -1000]))
        {
            Close(Apply(level, x, 3), Math.Tanh(x), 2.4e-7, $"tanh({x})");
        }

        Assert.That(Apply(level, float.PositiveInfinity, 3), Is.EqualTo(1));
        Assert.That(Apply(level, float.NegativeInfinity, 3), Is.EqualTo(-1));
        Assert.That(Apply(level, float.NaN, 3), Is.NaN);
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void LimitsAreRight(SimdLevel level)
    {
        Assert.That(Apply(level, float.NegativeInfinity, 0), Is.Zero);
        Assert.That(Apply(level, float.PositiveInfinity, 0), Is.EqualTo(float.PositiveInfinity));
        Assert.That(Apply(level, float.NegativeInfinity, 1), Is.Zero);
        Assert.That(Apply(level, float.NaN, 0), Is.NaN);
        Assert.That(Apply(level, float.NaN, 1), Is.NaN);
        Assert.That(Apply(level, 0, 0), Is.EqualTo(1));
    }

    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void PartialLoadsAndStoresTouchNothingElse(SimdLevel level)
    {
        if (!SimdLevels.Supports(level))
        {
            Assert.Ignore($"this processor has no {level}");
        }

        switch (level)
        {
            case SimdLevel.Avx512: Partial<Simd512>(); break;
            case SimdLevel.Avx2: Partial<Simd256>(); break;
            default: Partial<Simd128>(); break;
        }
    }

    static void Partial<V>() where V : unmanaged, ISimd<V>
    {
        float* source = stackalloc float[V.Width];
        float* target = stackalloc float[V.Width];
        for (int count = 0; count <= V.Width; count++)
        {
            for (int i = 0; i < V.Width; i++)
            {
                (source[i], target[i]) = (i + 1, -1);
            }

            V value = V.LoadPartial(source, count);
            value.StorePartial(target, count);
            Assert.That(V.Sum(value), Is.EqualTo(count * (count + 1) / 2));
            for (int i = 0; i < V.Width; i++)
            {
                Assert.That(target[i], Is.EqualTo(i < count ? i + 1 : -1), $"lane {i} of {count}");
            }
        }
    }

    static float Apply(SimdLevel level, float x, int function)
    {
        if (!SimdLevels.Supports(level))
        {
            Assert.Ignore($"this processor has no {level}");
        }

        return level switch
        {
            SimdLevel.Avx512 => Apply<Simd512>(x, function),
            SimdLevel.Avx2 => Apply<Simd256>(x, function),
            _ => Apply<Simd128>(x, function),
        };
    }

    static float Apply<V>(float x, int function) where V : unmanaged, ISimd<V>
    {
        V value = V.Create(x);
        V result = function switch
        {
            0 => SimdMath.Exp(value),
            1 => SimdMath.Exp2(value),
            2 => SimdMath.Erf(value),
            _ => SimdMath.Tanh(value),
        };
        float* lanes = stackalloc float[V.Width];
        result.Store(lanes);
        return lanes[0];
    }

    static void Close(float actual, double exact, double relative, string what)
    {
        if (Math.Abs(exact) > float.MaxValue)
        {
            Assert.That(actual, Is.EqualTo(exact > 0 ? float.PositiveInfinity : float.NegativeInfinity), what);
            return;
        }

        Assert.That(Math.Abs(actual - exact), Is.LessThanOrEqualTo(Math.Abs(exact) * relative + 0.7e-45), what);
    }
}
