using JeDi.Cpu;
using JeDi.Files.Safetensors;
using JeDi.Tensors;

namespace JeDi.Tests.Operations;

/// <summary>Two-byte numbers as floats: every pattern, infinities and NaN included, is that of the scalar conversion.</summary>
public sealed unsafe class WideningTests
{
    const int Patterns = 1 << 16;

    static readonly ushort[] all = [.. Enumerable.Range(0, Patterns).Select(bits => (ushort)bits)];

    static uint Half(ushort bits) => BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf(bits));

    static uint BFloat(ushort bits) => (uint)bits << 16;

    /// <summary>Each start moves every pattern to another lane, and from the lanes to the rest of a row.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void EveryPatternAtEveryPositionIsTheScalarConversion(SimdLevel level)
    {
        if (!SimdLevels.Supports(level))
        {
            Assert.Ignore($"this processor has no {level}");
        }

        for (int start = 0; start <= 16; start++)
        {
            Check(level, DType.F16, start, Half);
            Check(level, DType.BF16, start, BFloat);
        }
    }

    [Test]
    public void FilesAreWidenedAlike()
    {
        var floats = new float[Patterns];
        var bytes = new byte[2 * Patterns];
        Buffer.BlockCopy(all, 0, bytes, 0, bytes.Length);
        Floats.Convert(SafetensorsType.F16, bytes, floats);
        Assert.That(floats.Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(all.Select(Half)));
        Floats.Convert(SafetensorsType.BF16, bytes, floats);
        Assert.That(floats.Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(all.Select(BFloat)));
    }

    static void Check(SimdLevel level, DType type, int start, Func<ushort, uint> scalar)
    {
        var target = new float[Patterns - start];
        fixed (ushort* source = all)
        fixed (float* to = target)
        {
            switch (level)
            {
                case SimdLevel.Avx512: Widen.ToFloats<Simd512>(to, source, type, start, target.Length); break;
                case SimdLevel.Avx2: Widen.ToFloats<Simd256>(to, source, type, start, target.Length); break;
                default: Widen.ToFloats<Simd128>(to, source, type, start, target.Length); break;
            }
        }

        for (int i = 0; i < target.Length; i++)
        {
            if (BitConverter.SingleToUInt32Bits(target[i]) != scalar(all[start + i]))
            {
                Assert.Fail($"{type} 0x{all[start + i]:x4} at place {i} of {level}: "
                    + $"0x{BitConverter.SingleToUInt32Bits(target[i]):x8}, not 0x{scalar(all[start + i]):x8}");
            }
        }
    }
}
