using JeDi.Cuda.Compiling;

namespace JeDi.Tests.Cuda;

/// <summary>What is kept on disk is believed only if it is whole.</summary>
public sealed class KernelCacheTests
{
    static readonly CompiledKernel kernel = new([1, 2, 3], [4, 5, 0], [6, 0]);

    [Test]
    public void AFileGivesWhatWasKept()
    {
        CompiledKernel? read = CompiledKernel.FromFile(kernel.ToFile());
        Assert.That(read, Is.Not.Null);
        Assert.That((read!.Cubin, read.Ptx, read.Log), Is.EqualTo((kernel.Cubin, kernel.Ptx, kernel.Log)));
    }

    /// <summary>Cut anywhere, or with any byte changed, it is no file of ours.</summary>
    [Test]
    public void ADamagedFileIsNotBelieved()
    {
        byte[] whole = kernel.ToFile();
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] changed = [.. whole];
            changed[i] ^= 0x10;
            Assert.That(CompiledKernel.FromFile(changed), Is.Null, $"byte {i} changed");
            Assert.That(CompiledKernel.FromFile(whole[..i]), Is.Null, $"cut at {i}");
        }
    }

    /// <summary>All that the code depends on is part of the name.</summary>
    [Test]
    public void TheNameFollowsWhatGoesIn()
    {
        string source = KernelSources.Kernels[0];
        string key = KernelCache.Key(source, ["-DT=f16"], "sm_80");
        Assert.That(KernelCache.Key(source, ["-DT=f16"], "sm_80"), Is.EqualTo(key));
        Assert.That(KernelCache.Key(source, ["-DT=bf16"], "sm_80"), Is.Not.EqualTo(key));
        Assert.That(KernelCache.Key(source, ["-DT=f16", "-DN=1"], "sm_80"), Is.Not.EqualTo(key));
        Assert.That(KernelCache.Key(source, ["-DT=f16"], "sm_90a"), Is.Not.EqualTo(key));
        Assert.That(KernelCache.Key(KernelSources.Kernels[1], ["-DT=f16"], "sm_80"), Is.Not.EqualTo(key));
    }
}
