using JeDi.Files.Images;

namespace JeDi.Tests.Engine;

/// <summary>What a request takes of the managed heap: its results, and bookkeeping that depends on neither size nor steps.</summary>
public sealed class AllocationTests
{
    /// <summary>Tokens, tasks, rows of the schedule, generators of random numbers (2.5 KB each).</summary>
    const long Bookkeeping = 48 << 10;

    JeDiEngine engine = null!;

    [OneTimeSetUp]
    public void Load() => engine = JeDiEngine.Load(Repository.Find("tests/trial/tiny-jedi"), new EngineOptions { Device = "cpu" });

    [OneTimeTearDown]
    public void Unload() => engine.Dispose();

    [TestCase("ddim", 2, 128, 1)]
    [TestCase("ddpm", 9, 128, 1)]
    [TestCase("ddim", 2, 256, 1)]
    [TestCase("ddim", 2, 128, 3)]
    public async Task ARequestAllocatesWhatItsResultsNeed(string sampler, int steps, int size, int targets)
    {
        using JeDiSession session = engine.Prepare(new SessionShape(1, targets, size, size, Sampler: sampler, Steps: steps));
        var photo = new PixelImage(size, size, new byte[3 * size * size]);
        JeDiRequest request = new()
        {
            Prompts = ["a mosquito on a plain blue background"],
            Negative = "grey",
            References = [new Reference { Image = photo, Latent = session.Encode(photo), Weight = 0.5 }],
        };
        await session.GenerateAsync(request);
        (long beside, long results) least = (long.MaxValue, 0);
        for (int run = 0; run < 3; run++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            JeDiResult result = await session.GenerateAsync(request);
            long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            long results = result.Images.Sum(image => image.Rgb.LongLength)
                + result.Latents.Sum(latent => sizeof(float) * latent.LongLength);
            least = allocated - results < least.beside ? (allocated - results, results) : least;
        }

        TestContext.Out.WriteLine($"{least.beside} bytes beside {least.results} of results");
        Assert.That(least.beside, Is.InRange(0, Bookkeeping));
    }
}
