using JeDi.Sampling;

namespace JeDi;

/// <summary>
/// A session's host memory: numbers of a request on their way to the device and back. It is taken by the first request, so that the
/// others allocate no more than their results.
/// </summary>
sealed class SessionRoom
{
    float[] pixels = [];
    float[] texts = [];
    float[] references = [];

    /// <summary>What the last request drew; the next one overwrites it.</summary>
    public JointNoise? Noise { get; set; }

    /// <summary>A picture [H, W, 3].</summary>
    public float[] Pixels(int count) => Take(ref pixels, count);

    /// <summary>All texts of a request.</summary>
    public float[] Texts(int count) => Take(ref texts, count);

    /// <summary>Latents of all references.</summary>
    public float[] References(int count) => Take(ref references, count);

    static float[] Take(ref float[] room, int count) => room.Length == count ? room : room = new float[count];
}
