using JeDi.Files.Random;

namespace JeDi.Tests.Files;

/// <summary>Random streams beyond what the golden numbers cover.</summary>
public sealed class RandomTests
{
    /// <summary>Known answers of Random123 (kat_vectors, philox4x32 10).</summary>
    [TestCase(0u, 0u, 0u, 0u, 0u, 0u, "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [TestCase(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [TestCase(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void PhiloxKnownAnswers(uint x, uint y, uint z, uint w, uint k0, uint k1, string expected)
    {
        var words = Philox.Block(x, y, z, w, k0 | ((ulong)k1 << 32));
        Assert.That($"{words.X:x8} {words.Y:x8} {words.Z:x8} {words.W:x8}", Is.EqualTo(expected));
    }

    /// <summary>
    /// What PyTorch gives on a GPU for manual_seed(0) and randn(12), as published with the CPU imitation of stable-diffusion-webui.
    /// </summary>
    [Test]
    public void CudaStreamOfSeedZero()
    {
        float[] expected =
        [
            -0.92466259f, -0.42534415f, -2.6438457f, 0.14518388f, -0.12086647f, -0.57972564f,
            -0.62285122f, -0.32838709f, -1.07454231f, -0.36314407f, -1.67105067f, 2.26550497f,
        ];
        var values = new float[12];
        new TorchCudaRandom(0).Normal(values);

        // The two sides round the angle (at most 2 pi, 2^-22) and the sine each in their own way; the radius is below 7.
        Assert.That(values, Is.EqualTo(expected).Within(7 * 3 * Math.Pow(2, -22)));
    }

    [Test]
    public void CudaDrawsGoOnByOneCounterForEachFourRounds()
    {
        var first = new float[300];
        var second = new float[300];
        var stream = new TorchCudaRandom(5);
        stream.Normal(first);
        stream.Normal(second);
        var narrow = new float[2 * 4 * 512];
        new TorchCudaRandom(5, residentThreads: 512).Normal(narrow);

        // On a grid of 512 threads the second round starts at 4 x 512 with the counter that the second draw has.
        Assert.That(narrow.AsSpan(0, 300).ToArray(), Is.EqualTo(first));
        Assert.That(narrow.AsSpan(4 * 512, 300).ToArray(), Is.EqualTo(second));
    }

    [TestCase(1)]
    [TestCase(255)]
    [TestCase(257)]
    [TestCase(5000)]
    public void CudaDrawIsFilledWhateverTheGrid(int count)
    {
        var values = new float[count];
        new TorchCudaRandom(1, residentThreads: 256).Normal(values);
        Assert.That(values, Has.None.EqualTo(0f));
    }

    [Test]
    public void AllBitsOfTheSeedCountOnCudaAndTheLow32OnTheCpu()
    {
        Assert.That(Draw(new TorchCudaRandom(7 + (1L << 32))), Is.Not.EqualTo(Draw(new TorchCudaRandom(7))));
        Assert.That(Draw(new TorchCpuRandom(7 + (1L << 32))), Is.EqualTo(Draw(new TorchCpuRandom(7))));
    }

    /// <summary>Mean and variance of 2^20 values, within five standard errors.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void StreamsAreNormal(bool cuda)
    {
        const int count = 1 << 20;
        var values = new float[count];
        INormalStream stream = cuda ? new TorchCudaRandom(3) : new TorchCpuRandom(3);
        stream.Normal(values);
        double error = 1 / Math.Sqrt(count);
        Assert.That(values.Average(v => (double)v), Is.EqualTo(0).Within(5 * error));
        Assert.That(values.Average(v => (double)v * v), Is.EqualTo(1).Within(5 * Math.Sqrt(2) * error));
    }

    /// <summary>Draws of fewer than 16 values keep the second normal of a pair: how they are split makes no difference.</summary>
    [Test]
    public void SmallCpuDrawsKeepTheSecondNormal()
    {
        var whole = new float[9];
        new TorchCpuRandom(11).Normal(whole);
        var parts = new float[9];
        var stream = new TorchCpuRandom(11);
        stream.Normal(parts.AsSpan(0, 3));
        stream.Normal(parts.AsSpan(3, 1));
        stream.Normal(parts.AsSpan(4));
        Assert.That(parts, Is.EqualTo(whole));
    }

    static float[] Draw(INormalStream stream)
    {
        var values = new float[40];
        stream.Normal(values);
        return values;
    }
}
