using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace JeDi.Cpu;

/// <summary>The instruction sets that the kernels are written for, slowest first.</summary>
public enum SimdLevel
{
    /// <summary>128-bit vectors: any processor that .NET runs on, Arm included.</summary>
    Portable,

    /// <summary>256-bit vectors with fused multiply-add.</summary>
    Avx2,

    /// <summary>512-bit vectors.</summary>
    Avx512,
}

/// <summary>Which levels this processor has.</summary>
public static class SimdLevels
{
    /// <summary>The widest level of this processor.</summary>
    public static SimdLevel Best => Supports(SimdLevel.Avx512) ? SimdLevel.Avx512
        : Supports(SimdLevel.Avx2) ? SimdLevel.Avx2 : SimdLevel.Portable;

    /// <summary>True where the kernels of <paramref name="level"/> may run.</summary>
    public static bool Supports(SimdLevel level) => level switch
    {
        // Some processors have AVX-512 and lose clock speed by it; the runtime then calls it not accelerated.
        SimdLevel.Avx512 => Avx512F.IsSupported && Avx512DQ.IsSupported && Vector512.IsHardwareAccelerated,
        SimdLevel.Avx2 => Avx2.IsSupported && Fma.IsSupported,
        _ => true,
    };
}
