namespace JeDi.Files.Random;

/// <summary>
/// Logarithm, sine and cosine in single precision with the very roundings of ATen's <c>avx_mathfun.h</c> (after Moshier's Cephes) as it
/// is compiled into PyTorch: multiplications that feed an addition are fused with it. Better functions would give other bits.
/// </summary>
static class CephesMath
{
    const uint InverseMantissaMask = 0x807FFFFF;
    const uint HalfBits = 0x3F000000;
    const float SqrtHalf = 0.707106781186547524f;

    /// <summary>Natural logarithm for positive normal x.</summary>
    public static float Log(float x)
    {
        x = MathF.Max(x, BitConverter.UInt32BitsToSingle(0x00800000));
        uint bits = BitConverter.SingleToUInt32Bits(x);
        float e = (int)(bits >> 23) - 0x7F + 1f;
        x = BitConverter.UInt32BitsToSingle((bits & InverseMantissaMask) | HalfBits);
        float below = x < SqrtHalf ? x : 0;
        e -= x < SqrtHalf ? 1 : 0;
        x = x - 1 + below;
        float z = x * x;
        float y = 7.0376836292E-2f;
        y = Fma(y, x, -1.1514610310E-1f);
        y = Fma(y, x, 1.1676998740E-1f);
        y = Fma(y, x, -1.2420140846E-1f);
        y = Fma(y, x, 1.4249322787E-1f);
        y = Fma(y, x, -1.6668057665E-1f);
        y = Fma(y, x, 2.0000714765E-1f);
        y = Fma(y, x, -2.4999993993E-1f);
        y = Fma(y, x, 3.3333331174E-1f);
        y = Fma(y * x, z, e * -2.12194440e-4f);
        y = Fma(-z, 0.5f, y);
        return Fma(e, 0.693359375f, x + y);
    }

    /// <summary>Sine and cosine of x >= 0.</summary>
    public static (float Sin, float Cos) SinCos(float x)
    {
        int octant = ((int)(x * 1.27323954473516f) + 1) & ~1;
        float n = octant;
        x = Fma(n, -0.78515625f, x);
        x = Fma(n, -2.4187564849853515625e-4f, x);
        x = Fma(n, -3.77489497744594108e-8f, x);
        float z = x * x;
        float c = 2.443315711809948E-005f;
        c = Fma(c, z, -1.388731625493765E-003f);
        c = Fma(c, z, 4.166664568298827E-002f);
        c = Fma(c * z, z, -(z * 0.5f)) + 1;
        float s = -1.9515295891E-4f;
        s = Fma(s, z, 8.3321608736E-3f);
        s = Fma(s, z, -1.6666654611E-1f);
        s = Fma(s * z, x, x);
        bool swap = (octant & 2) != 0;
        float sin = swap ? c : s;
        float cos = swap ? s : c;
        return ((octant & 4) != 0 ? -sin : sin, ((octant - 2) & 4) == 0 ? -cos : cos);
    }

    static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
}
