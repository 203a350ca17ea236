using JeDi.Cpu;

namespace JeDi.Tests.Operations;

public sealed class ThreadsTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    public void EveryBlockRunsOnce(int count)
    {
        var threads = new Threads(count);
        for (int blocks = 0; blocks < 300; blocks++)
        {
            var runs = new int[blocks];
            threads.Run(blocks, new Count(runs));
            Assert.That(runs, Is.All.EqualTo(1), $"{blocks} blocks");
        }

        threads.Close();
    }

    [Test]
    public void ExceptionsReachTheCaller()
    {
        var threads = new Threads(3);
        for (int i = 0; i < 20; i++)
        {
            Assert.That(() => threads.Run(10, new Fail()), Throws.InvalidOperationException.With.Message.EqualTo("block 7"));
        }

        var runs = new int[10];
        threads.Run(10, new Count(runs));
        Assert.That(runs, Is.All.EqualTo(1), "the pool works on after an exception");
        threads.Close();
    }

    [Test]
    public void JobsWithinBlocksRunInline()
    {
        var threads = new Threads(3);
        var runs = new int[20];
        threads.Run(4, new Outer(threads, runs));
        Assert.That(runs, Is.All.EqualTo(4));
        threads.Close();
    }

    [Test]
    public void SeveralCallersShareAPool()
    {
        var threads = new Threads(2);
        int[][] runs = [.. Enumerable.Range(0, 4).Select(_ => new int[50])];
        Parallel.ForEach(runs, mine =>
        {
            for (int i = 0; i < 100; i++)
            {
                threads.Run(mine.Length, new Count(mine));
            }
        });
        Assert.That(runs.SelectMany(mine => mine), Is.All.EqualTo(100));
        threads.Close();
    }

    [Test]
    public void RunAllocatesNothing()
    {
        var threads = new Threads(2);
        var job = new Count(new int[64]);
        threads.Run(64, job);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            threads.Run(64, job);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        threads.Close();
    }

    readonly struct Count(int[] runs) : IJob
    {
        public void Run(int index, Worker worker) => Interlocked.Increment(ref runs[index]);
    }

    readonly struct Fail : IJob
    {
        public void Run(int index, Worker worker)
        {
            if (index == 7)
            {
                throw new InvalidOperationException("block 7");
            }
        }
    }

    readonly struct Outer(Threads threads, int[] runs) : IJob
    {
        public void Run(int index, Worker worker) => threads.Run(runs.Length, new Count(runs));
    }
}
