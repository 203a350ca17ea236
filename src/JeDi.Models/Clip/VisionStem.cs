using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Start and end of a vision transformer: patches, a class token in front, positions added; the class token taken out.</summary>
static class VisionStem
{
    /// <summary>[N, S, S, 3] -> [N, 1 + patches, C].</summary>
    public static Tensor Tokens(Ops ops, VisionConfig config, Conv patches, Tensor pixels, Parameter classToken, Parameter positions)
    {
        if (pixels.Shape.Rank != 4 || pixels.Shape[1] != config.ImageSize || pixels.Shape[2] != config.ImageSize)
        {
            throw new ArgumentException($"the encoder takes [N, {config.ImageSize}, {config.ImageSize}, 3], got {pixels.Shape}");
        }

        int images = pixels.Shape[0];
        Tensor x = ops.Room([images, (1 + config.Patches) * config.Width]);
        using ArenaScope scope = ops.Scope();
        Tensor p = patches.Run(ops, ops.Enter(pixels)).Reshape([images, config.Patches * config.Width]); // [N, patches * C]
        x = ops.Concat(ops.Enter(classToken.Value).Reshape([1, config.Width]), p, into: x); // [N, (1 + patches) * C]
        return ops.Add(x, positions, into: x).Reshape([images, 1 + config.Patches, config.Width]); // [N, 1 + patches, C]
    }

    /// <summary>[N, L, C] -> [N, C].</summary>
    public static Tensor ClassToken(Ops ops, Tensor x)
    {
        int[] first = [.. Enumerable.Range(0, x.Shape[0]).Select(image => image * x.Shape[1])];
        return ops.Embed(x.Reshape([x.Shape[0] * x.Shape[1], x.Shape[2]]), ops.From<int>([first.Length], first));
    }
}
