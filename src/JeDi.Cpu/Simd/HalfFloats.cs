namespace JeDi.Cpu;

/// <summary>Widening of 16-bit floats.</summary>
static class HalfFloats
{
    /// <summary>
    /// 2^112. Exponent and fraction of a half, shifted into place in a float, make a number 2^112 too small (biases 15 and 127);
    /// the product is exact, subnormal halves included.
    /// </summary>
    public const float ExponentShift = 5.192296858534828e33f;
}
