namespace JeDi.Cpu;

/// <summary>
/// A transposed convolution, seen from its results: with stride s the pixels y = p + s t of a phase p read the pixels
/// t + Offset .. t + Offset + Taps - 1 of dy by the kernel's taps FirstTap, FirstTap - s, ...: a plain convolution for each phase.
/// </summary>
readonly record struct ConvolutionPhase(int FirstTap, int Taps, int Offset)
{
    public static ConvolutionPhase Of(int phase, int stride, int kernel, int border)
    {
        int least = (phase + border) % stride;
        if (least >= kernel)
        {
            return new ConvolutionPhase(0, 0, 0);
        }

        int first = least + (kernel - 1 - least) / stride * stride;
        return new ConvolutionPhase(first, (kernel - 1 - least) / stride + 1, (phase + border - first) / stride);
    }

    /// <summary>The first pixel of dy that any phase reads for t = 0, and how many more than t they read.</summary>
    public static (int Lowest, int More) Reach(int stride, int kernel, int border)
    {
        int lowest = int.MaxValue;
        int end = int.MinValue;
        for (int p = 0; p < stride; p++)
        {
            ConvolutionPhase phase = Of(p, stride, kernel, border);
            if (phase.Taps > 0)
            {
                lowest = Math.Min(lowest, phase.Offset);
                end = Math.Max(end, phase.Offset + phase.Taps);
            }
        }

        return (lowest, end - lowest - 1);
    }
}
