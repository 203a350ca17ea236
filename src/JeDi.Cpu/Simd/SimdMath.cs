using System.Runtime.CompilerServices;

namespace JeDi.Cpu;

/// <summary>Functions of a register, within about one unit in the last place; polynomials are minimax in relative error.</summary>
public static class SimdMath
{
    const float Log2E = 1.44269504f;

    // ln 2 in two floats: n * Ln2High is exact for the n of the argument reduction.
    const float Ln2High = 0.693359375f;
    const float Ln2Low = -2.12194440e-4f;

    /// <summary>2^x for x up to 160 (a softmax has none above 0); 0 below -160.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp2<V>(V x) where V : unmanaged, ISimd<V>
    {
        x = V.Max(V.Create(-160), x);
        V n = V.Round(x);
        V f = x - n;
        V p = V.MultiplyAdd(V.Create(1.559470037e-4f), f, V.Create(1.340664363e-3f));
        p = V.MultiplyAdd(p, f, V.Create(9.617692904e-3f));
        p = V.MultiplyAdd(p, f, V.Create(5.550310552e-2f));
        p = V.MultiplyAdd(p, f, V.Create(2.402265278e-1f));
        p = V.MultiplyAdd(p, f, V.Create(6.93147215e-1f));
        p = V.MultiplyAdd(p, f, V.Create(1));
        return V.Scale(p, n);
    }

    /// <summary>e^x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<V>(V x) where V : unmanaged, ISimd<V>
    {
        x = V.Min(V.Create(110), V.Max(V.Create(-110), x));
        V n = V.Round(x * V.Create(Log2E));
        V r = V.NegatedMultiplyAdd(n, V.Create(Ln2High), x);
        r = V.NegatedMultiplyAdd(n, V.Create(Ln2Low), r);
        V p = V.MultiplyAdd(V.Create(1.38146088e-3f), r, V.Create(8.368709862e-3f));
        p = V.MultiplyAdd(p, r, V.Create(4.166838744e-2f));
        p = V.MultiplyAdd(p, r, V.Create(1.666652069e-1f));
        p = V.MultiplyAdd(p, r, V.Create(4.999999345e-1f));
        p = V.MultiplyAdd(p, r * r, r);
        return V.Scale(p + V.Create(1), n);
    }

    /// <summary>1 / (1 + e^-x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<V>(V x) where V : unmanaged, ISimd<V> => V.Create(1) / (V.Create(1) + Exp(V.Zero - x));

    /// <summary>x sigmoid(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Silu<V>(V x) where V : unmanaged, ISimd<V> => x / (V.Create(1) + Exp(V.Zero - x));

    /// <summary>x sigmoid(1.702 x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V QuickGelu<V>(V x) where V : unmanaged, ISimd<V> => x / (V.Create(1) + Exp(x * V.Create(-1.702f)));

    /// <summary>x Phi(x) = x (1 + erf(x / sqrt 2)) / 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Gelu<V>(V x) where V : unmanaged, ISimd<V>
    {
        V half = x * V.Create(0.5f);
        return V.MultiplyAdd(half, Erf(x * V.Create(0.70710678f)), half);
    }

    /// <summary>
    /// (e^2x - 1) / (e^2x + 1): a polynomial below 0.625, which keeps the precision of small numbers (coefficients of S. Moshier's Cephes),
    /// 1 - 2 / (e^2|x| + 1) with the sign of x above.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh<V>(V x) where V : unmanaged, ISimd<V>
    {
        V t = V.Max(x, V.Zero - x);
        V s = x * x;
        V far = V.Create(1) - V.Create(2) / (Exp(t + t) + V.Create(1));
        far = V.IfLess(x, V.Zero, V.Zero - far, far);
        V near = V.MultiplyAdd(V.Create(-5.70498872745e-3f), s, V.Create(2.06390887954e-2f));
        near = V.MultiplyAdd(near, s, V.Create(-5.37397155531e-2f));
        near = V.MultiplyAdd(near, s, V.Create(1.33314422036e-1f));
        near = V.MultiplyAdd(near, s, V.Create(-3.33332819422e-1f));
        near = V.MultiplyAdd(near * s, x, x);
        return V.IfLess(V.Create(0.625f), t, far, near);
    }

    /// <summary>
    /// The error function: a polynomial below 0.921875, 1 - e^(polynomial) above (coefficients by N. Juffa, BSD-2-Clause).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<V>(V x) where V : unmanaged, ISimd<V>
    {
        V t = V.Max(x, V.Zero - x);
        V s = x * x;
        V tail = V.MultiplyAdd(V.Create(-1.72853470e-5f), t, V.Create(3.83197126e-4f));
        tail = V.MultiplyAdd(tail, s, V.MultiplyAdd(V.Create(-3.88396438e-3f), t, V.Create(2.42546219e-2f)));
        tail = V.MultiplyAdd(tail, t, V.Create(-1.06777877e-1f));
        tail = V.MultiplyAdd(tail, t, V.Create(-6.34846687e-1f));
        tail = V.MultiplyAdd(tail, t, V.Create(-1.28717512e-1f));
        tail = V.Create(1) - Exp(V.MultiplyAdd(tail, t, V.Zero - t));
        tail = V.IfLess(x, V.Zero, V.Zero - tail, tail);
        V near = V.MultiplyAdd(V.Create(-5.96761703e-4f), s, V.Create(4.99119423e-3f));
        near = V.MultiplyAdd(near, s, V.Create(-2.67681349e-2f));
        near = V.MultiplyAdd(near, s, V.Create(1.12819925e-1f));
        near = V.MultiplyAdd(near, s, V.Create(-3.76125336e-1f));
        near = V.MultiplyAdd(near, s, V.Create(1.28379166e-1f));
        near = V.MultiplyAdd(near, x, x);
        return V.IfLess(V.Create(0.921875f), t, tail, near);
    }
}
