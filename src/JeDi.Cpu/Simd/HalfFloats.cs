namespace JeDi.Cpu;

/// <summary>Widening of 16-bit floats.</summary>
static class HalfFloats
{
    /// <summary>
    /// 2^112. Exponent and fraction of a half, shifted into place in a float, make a number 2^112 too small (biases 15 and 127);
    /// the product is exact, subnormal halves included.
    /// </summary>
    public const float ExponentShift = 5.192296858534828e33f;

    /// <summary>Bits of 65504; what is above is infinity or NaN, which the shift alone would make finite.</summary>
    public const int LargestFinite = 0x7bff;

    /// <summary>Bits of infinity; what is above is NaN.</summary>
    public const int Infinity = 0x7c00;

    /// <summary>Exponent of infinity and NaN in a float; the fraction stays.</summary>
    public const int Exponent = 0x7f800000;

    /// <summary>A NaN becomes a quiet one where it is widened.</summary>
    public const int QuietBit = 0x00400000;
}
