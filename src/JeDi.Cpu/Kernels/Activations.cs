namespace JeDi.Cpu;

/// <summary>An element-wise function as a type, so that a loop over it is compiled for it.</summary>
interface IActivation
{
    static abstract V Of<V>(V x) where V : unmanaged, ISimd<V>;
}

readonly struct Identity : IActivation
{
    public static V Of<V>(V x) where V : unmanaged, ISimd<V> => x;
}

readonly struct Silu : IActivation
{
    public static V Of<V>(V x) where V : unmanaged, ISimd<V> => SimdMath.Silu(x);
}

readonly struct Gelu : IActivation
{
    public static V Of<V>(V x) where V : unmanaged, ISimd<V> => SimdMath.Gelu(x);
}

readonly struct QuickGelu : IActivation
{
    public static V Of<V>(V x) where V : unmanaged, ISimd<V> => SimdMath.QuickGelu(x);
}
