using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Derivative of x sigmoid(x): s (1 + x (1 - s)).</summary>
readonly struct SiluSlope : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of<V>(V x) where V : unmanaged, ISimd<V>
    {
        V s = SimdMath.Sigmoid(x);
        return V.MultiplyAdd(x * (V.Create(1) - s), s, s);
    }
}

/// <summary>Derivative of x sigmoid(1.702 x).</summary>
readonly struct QuickGeluSlope : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of<V>(V x) where V : unmanaged, ISimd<V>
    {
        V z = x * V.Create(1.702f);
        V s = SimdMath.Sigmoid(z);
        return V.MultiplyAdd(z * (V.Create(1) - s), s, s);
    }
}

/// <summary>Derivative of x Phi(x): Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi).</summary>
readonly struct GeluSlope : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of<V>(V x) where V : unmanaged, ISimd<V> => Of(x, Phi(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of<V>(V x, V phi) where V : unmanaged, ISimd<V>
    {
        V density = SimdMath.Exp(x * x * V.Create(-0.5f)) * V.Create(0.398942280f);
        return V.MultiplyAdd(x, density, phi);
    }

    /// <summary>(1 + erf(x / sqrt 2)) / 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Phi<V>(V x) where V : unmanaged, ISimd<V> =>
        V.MultiplyAdd(V.Create(0.5f), SimdMath.Erf(x * V.Create(0.70710678f)), V.Create(0.5f));
}
