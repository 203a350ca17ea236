using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Transformer blocks over the pixels of the images, between two projections, with a residual around it all.</summary>
sealed class SpatialTransformer
{
    const float NormEps = 1e-6f;

    readonly GroupNorm norm;
    readonly Linear projectIn;
    readonly TransformerBlock[] blocks;
    readonly Linear projectOut;
    readonly int level;

    /// <param name="all">Every transformer block of the network so far; this one's are added.</param>
    public SpatialTransformer(Weights w, UNetConfig config, int level, List<TransformerBlock> all)
    {
        int width = config.Channels[level];
        bool filter = !config.LinearProjection;
        this.level = level;
        norm = new GroupNorm(w.At("norm"), width, config.Groups, NormEps);
        projectIn = new Linear(w.At("proj_in"), width, width, filter: filter);
        blocks = new TransformerBlock[config.Depth[level]];
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = new TransformerBlock(w.At("transformer_blocks").At(i), width, config.Heads[level], config.ContextWidth, all.Count);
            all.Add(blocks[i]);
        }

        projectOut = new Linear(w.At("proj_out"), width, width, filter: filter);
    }

    /// <summary>
    /// [images, H, W, C] -> [images, H, W, C], for which x may be overwritten; or, with <paramref name="targetsOnly"/>, [targets, H, W, C]:
    /// in the last coupled attention of the network, from its last queries on, only the targets are computed, as nothing else will be
    /// looked at.
    /// </summary>
    public Tensor Run(Ops ops, Tensor x, TextKeys texts, JointBatch batch, bool targetsOnly)
    {
        Tensor into = targetsOnly ? ops.Room(x.Shape.WithFirst(batch.Predicted)) : x;
        using ArenaScope scope = ops.Scope();
        Tensor bias = batch.BiasAt(level);
        Tensor n = norm.Run(ops, x);
        Tensor h = projectIn.Run(ops, n).Reshape([x.Shape[0], x.Shape[1] * x.Shape[2], x.Shape[3]]); // [N, H*W, C]
        for (int i = 0; i < blocks.Length; i++)
        {
            Tensor asking = targetsOnly && i == blocks.Length - 1 ? batch.Targets(ops, h) : h;
            h = blocks[i].Run(ops, h, asking, texts, batch, bias); // [N or targets, H*W, C]
        }

        Tensor result = h.Reshape(x.Shape.WithFirst(h.Shape[0])); // [N or targets, H, W, C]
        return projectOut.Run(ops, result, residual: batch.Like(ops, x, result), into: into);
    }
}
