namespace JeDi.Files.Random;

/// <summary>
/// The normal stream of <c>torch.randn(..., device="cuda")</c> after <c>manual_seed(seed)</c>, draw after draw: thread i of a grid of
/// blocks of 256 has the Philox sequence i of the seed, takes four normals at a time by cuRAND's Box-Muller and puts them a grid's
/// width apart. The same numbers up to the rounding of the GPU's fast sine and cosine (2^-21 absolute before the radius).
/// </summary>
/// <param name="seed">All 64 bits count.</param>
/// <param name="residentThreads">
/// Threads that the GPU holds at once (2048 for each multiprocessor of most): PyTorch makes no wider grid, so a draw of more values
/// depends on the GPU. Smaller draws, such as latents up to 1024 x 1024 pixels on 32 multiprocessors, are equal on all.
/// </param>
public sealed class TorchCudaRandom(long seed, int residentThreads = 108 * 2048) : INormalStream
{
    const int Block = 256;
    const int PerCall = 4;

    uint calls;

    /// <summary>Fills with the stream's next draw of this many values.</summary>
    public void Normal(Span<float> values)
    {
        int threads = Math.Min(residentThreads / Block, (values.Length + Block - 1) / Block) * Block;
        int rounds = threads == 0 ? 0 : (values.Length - 1) / (threads * PerCall) + 1;
        Span<float> four = stackalloc float[PerCall];
        for (int round = 0; round < rounds; round++)
        {
            uint counter = calls + (uint)round;
            for (int thread = 0; thread < threads; thread++)
            {
                (uint x, uint y, uint z, uint w) = Philox.Block(counter, 0, (uint)thread, 0, (ulong)seed);
                (four[0], four[1]) = BoxMuller(x, y);
                (four[2], four[3]) = BoxMuller(z, w);
                int at = round * threads * PerCall + thread;
                for (int i = 0; i < PerCall && at < values.Length; i++, at += threads)
                {
                    values[at] = four[i];
                }
            }
        }

        calls += (uint)rounds;
    }

    /// <summary>cuRAND's form: sine first, and words to (0, 1] by the middle of their interval.</summary>
    static (float, float) BoxMuller(uint x, uint y)
    {
        const float unit = 1f / 4294967296;
        const float turn = unit * 6.2831855f;
        float u = MathF.FusedMultiplyAdd(x, unit, unit / 2);
        float angle = MathF.FusedMultiplyAdd(y, turn, turn / 2);
        float radius = MathF.Sqrt(-2 * MathF.Log(u));
        (float sin, float cos) = MathF.SinCos(angle);
        return (radius * sin, radius * cos);
    }
}
