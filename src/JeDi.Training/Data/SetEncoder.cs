using JeDi.Files.Images;
using JeDi.Files.Sets;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// Reads sets on the thread that prepares batches, and computes their latents where the steps are computed: kernels of two threads would
/// wait for each other. Several pictures are encoded at once; what comes out does not depend on how many.
/// </summary>
/// <param name="size">Pixels of a picture's side.</param>
/// <param name="images">Pictures of a step.</param>
sealed class SetEncoder(Device device, VaeEncoder encoder, int size, int images)
{
    // Activations of the largest maps stay near the caches.
    const long PixelsAtOnce = 1L << 16;

    readonly Arena arena = new(device);
    readonly List<(float[] Latents, int Offset, PixelImage Image)> waiting = [];
    readonly float[] pixels = new float[Most(size, images) * size * size * 3];

    /// <summary>Bytes that it takes on the device.</summary>
    public long Bytes => arena.Capacity;

    int LatentFloats => size / encoder.Config.Scale * (size / encoder.Config.Scale) * encoder.Config.LatentChannels;

    /// <summary>A set whose latents are still to be computed.</summary>
    public EncodedSet Read(ISetSource source, int index)
    {
        ImageSet set = source.Load(index, size);
        var latents = new float[set.Images.Count * LatentFloats];
        return new EncodedSet(source.NameOf(index), set.Images.Count, latents, set.Captions) { Waiting = set.Images };
    }

    /// <summary>Computes the latents of those sets that wait for them.</summary>
    public void Complete(IEnumerable<EncodedSet> sets)
    {
        foreach (EncodedSet set in sets)
        {
            for (int i = 0; i < set.Waiting?.Count; i++)
            {
                waiting.Add((set.Latents, i * LatentFloats, set.Waiting[i]));
            }

            set.Waiting = null;
        }

        int most = Most(size, images);
        for (int first = 0; first < waiting.Count; first += most)
        {
            int count = Math.Min(most, waiting.Count - first);
            for (int i = 0; i < count; i++)
            {
                waiting[first + i].Image.ToFloats(pixels.AsSpan(i * size * size * 3, size * size * 3));
            }

            float[] means = Encode(count);
            for (int i = 0; i < count; i++)
            {
                (float[] latents, int offset, _) = waiting[first + i];
                for (int j = 0; j < LatentFloats; j++)
                {
                    latents[offset + j] = means[i * LatentFloats + j] * encoder.Config.ScalingFactor;
                }
            }
        }

        waiting.Clear();
    }

    /// <summary>Takes the memory that it will ever take.</summary>
    public void Rehearse() => Encode(Most(size, images));

    public void Release() => arena.Release();

    static int Most(int size, int images) => (int)Math.Clamp(PixelsAtOnce / ((long)size * size), 1, images);

    /// <summary>Means of the first pictures of the buffer.</summary>
    float[] Encode(int count)
    {
        var ops = new Ops(device, arena);
        using ArenaScope scope = arena.Scope();
        Tensor image = ops.From<float>([count, size, size, 3], pixels.AsSpan(0, count * size * size * 3));
        return device.ToArray(encoder.Encode(ops, image).Mean);
    }
}
