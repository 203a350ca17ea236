using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// The denoising network: epsilon(z, t, text) of Stable Diffusion 1.x with the self-attention of the images of a set coupled.
/// A set of one image is plain Stable Diffusion.
/// </summary>
public sealed class UNet
{
    readonly Linear time1;
    readonly Linear time2;
    readonly Conv convIn;
    readonly Level[] down;
    readonly ResBlock[] middle;
    readonly SpatialTransformer? middleAttention;
    readonly Level[] up;
    readonly GroupNorm normOut;
    readonly Conv convOut;
    readonly List<TransformerBlock> transformers = [];
    readonly SpatialTransformer last;

    /// <param name="w">Weights with diffusers' names.</param>
    public UNet(Weights w, UNetConfig config)
    {
        Config = config;
        int[] channels = config.Channels;
        time1 = new Linear(w.At("time_embedding").At("linear_1"), channels[0], config.TimeWidth, activation: Activation.Silu);
        time2 = new Linear(w.At("time_embedding").At("linear_2"), config.TimeWidth, config.TimeWidth, activation: Activation.Silu);
        convIn = new Conv(w.At("conv_in"), config.InChannels, channels[0]);
        var skips = new Stack<int>([channels[0]]);
        SpatialTransformer? attention = null;
        int width = channels[0];
        down = new Level[config.Levels];
        for (int level = 0; level < down.Length; level++)
        {
            Weights block = w.At("down_blocks").At(level);
            var blocks = new ResBlock[config.Layers[level]];
            var attentions = new SpatialTransformer?[blocks.Length];
            for (int i = 0; i < blocks.Length; i++)
            {
                blocks[i] = Block(block.At("resnets").At(i), width, width = channels[level]);
                attentions[i] = Attention(block.At("attentions").At(i), level, config.DownAttention[level]);
                attention = attentions[i] ?? attention;
                skips.Push(width);
            }

            bool smaller = level < down.Length - 1;
            Conv? conv = smaller ? new Conv(block.At("downsamplers").At(0).At("conv"), width, width, geometry: new(Stride: 2)) : null;
            if (smaller)
            {
                skips.Push(width);
            }

            down[level] = new Level(blocks, attentions, conv);
        }

        Weights mid = w.At("mid_block");
        middle = new ResBlock[config.MiddleBlocks];
        for (int i = 0; i < middle.Length; i++)
        {
            middle[i] = Block(mid.At("resnets").At(i), width, width);
            if (i == 0)
            {
                middleAttention = Attention(mid.At("attentions").At(0), config.Levels - 1, middle.Length == 2);
                attention = middleAttention ?? attention;
            }
        }

        up = new Level[config.Levels];
        for (int i = 0; i < up.Length; i++)
        {
            int level = config.Levels - 1 - i;
            Weights block = w.At("up_blocks").At(i);
            var blocks = new ResBlock[config.Layers[level] + 1];
            var attentions = new SpatialTransformer?[blocks.Length];
            for (int j = 0; j < blocks.Length; j++)
            {
                blocks[j] = Block(block.At("resnets").At(j), width + skips.Pop(), width = channels[level]);
                attentions[j] = Attention(block.At("attentions").At(j), level, config.UpAttention[level]);
                attention = attentions[j] ?? attention;
            }

            Conv? conv = level > 0 ? new Conv(block.At("upsamplers").At(0).At("conv"), width, width, geometry: new(Upsample: true)) : null;
            up[i] = new Level(blocks, attentions, conv);
        }

        last = attention!;
        normOut = new GroupNorm(w.At("conv_norm_out"), width, config.Groups, config.Eps, silu: true);
        convOut = new Conv(w.At("conv_out"), width, config.OutChannels, final: true);

        ResBlock Block(Weights at, int inputs, int outputs) => new(at, inputs, outputs, config.Groups, config.Eps, config.TimeWidth);

        SpatialTransformer? Attention(Weights at, int level, bool wanted) =>
            wanted ? new SpatialTransformer(at, config, level, transformers) : null;
    }

    /// <summary>Its structure.</summary>
    public UNetConfig Config { get; }

    /// <summary>Coupled self-attention layers: 16 in SD 1.4.</summary>
    public int AttentionLayers => transformers.Count;

    /// <summary>Keys and values of all cross-attention layers for texts F32 [texts, tokens, C], which stay in the arena.</summary>
    public TextKeys EncodeText(Ops ops, Tensor texts)
    {
        Tensor entered = ops.Enter(texts);
        return new([.. transformers.Select(block => block.EncodeText(ops, entered))]);
    }

    /// <summary>The same for other texts, into the memory of <paramref name="keys"/>.</summary>
    public void EncodeText(Ops ops, Tensor texts, TextKeys keys)
    {
        using ArenaScope scope = ops.Scope();
        Tensor entered = ops.Enter(texts);
        for (int layer = 0; layer < transformers.Count; layer++)
        {
            transformers[layer].EncodeText(ops, entered, keys[layer].Key, keys[layer].Value);
        }
    }

    /// <summary>
    /// Predicted noise, F32, of the batch's predicted images [P, h, w, 4] for the packed input x [images, h, w, channels] and one
    /// timestep per image [images].
    /// </summary>
    /// <param name="deep">
    /// Deep features [images, h, w, channels 0]: what enters the last block, where all but it and the first convolution is behind. They are
    /// written, or with <paramref name="reuse"/> read from an earlier evaluation instead of computed (DeepCache, arXiv 2312.00858).
    /// Absent: neither.
    /// </param>
    public Tensor Run(
        Ops ops,
        Tensor x,
        Tensor timesteps,
        TextKeys texts,
        JointBatch batch,
        Tensor into = default,
        Tensor deep = default,
        bool reuse = false)
    {
        Check(x, timesteps, texts, batch);
        Tensor y = into.Exists ? into : ops.Room([batch.Predicted, x.Shape[1], x.Shape[2], Config.OutChannels], final: true);
        using ArenaScope scope = ops.Scope();
        Tensor time = ops.TimestepEmbedding(timesteps, Config.Channels[0]); // [N, channels 0]
        time = time2.Run(ops, time1.Run(ops, time)); // [N, 4 channels 0]
        var skips = new Skips();
        Tensor h = skips.Push(convIn.Run(ops, x)); // [N, h, w, channels 0]
        if (reuse)
        {
            h = UpBlock(ops, up[^1], up[^1].Blocks.Length - 1, deep, skips.Pop(), default, time, texts, batch);
        }
        else
        {
            h = Deep(ops, h, ref skips, time, texts, batch, deep);
        }

        h = normOut.Run(ops, h);
        return convOut.Run(ops, h, into: y); // [P, h, w, 4]
    }

    /// <summary>Everything between the first convolution and the last norm.</summary>
    Tensor Deep(Ops ops, Tensor h, ref Skips skips, Tensor time, TextKeys texts, JointBatch batch, Tensor deep)
    {
        foreach (Level level in down)
        {
            for (int i = 0; i < level.Blocks.Length; i++)
            {
                h = skips.Push(Layer(ops, level, i, h, time, texts, batch)); // [N, h, w, channels of the level]
            }

            if (level.Resample is not null)
            {
                h = skips.Push(level.Resample.Run(ops, h)); // [N, h / 2, w / 2, C]
            }
        }

        h = Middle(ops, h, time, texts, batch);
        foreach (Level level in up)
        {
            h = Up(ops, level, h, ref skips, time, texts, batch, level == up[^1] ? deep : default);
        }

        return h;
    }

    Tensor Middle(Ops ops, Tensor x, Tensor time, TextKeys texts, JointBatch batch)
    {
        for (int i = 0; i < middle.Length; i++)
        {
            Tensor into = i == 0 ? default : x;
            x = middle[i].Run(ops, x, batch.Like(ops, time, x), into);
            x = i == 0 ? Attend(ops, middleAttention, x, texts, batch) : x;
        }

        return x;
    }

    /// <summary>The blocks of a level on the way up, each on [x, skip], then the doubling of height and width.</summary>
    Tensor Up(Ops ops, Level level, Tensor x, ref Skips skips, Tensor time, TextKeys texts, JointBatch batch, Tensor deep)
    {
        for (int i = 0; i < level.Blocks.Length; i++)
        {
            Tensor skip = skips.Pop();
            if (ops.Checkpoints)
            {
                x = Checkpointed(ops, level, i, x, skip, time, texts, batch);
                continue;
            }

            if (deep.Exists && i == level.Blocks.Length - 1)
            {
                ops.Copy(deep, x);
            }

            x = UpBlock(ops, level, i, x, skip, i > 0 ? x : default, time, texts, batch);
        }

        return level.Resample is null ? x : level.Resample.Run(ops, x); // [N, 2h, 2w, C]
    }

    Tensor UpBlock(
        Ops ops, Level level, int i, Tensor x, Tensor skip, Tensor into, Tensor time, TextKeys texts, JointBatch batch)
    {
        Tensor y = into.Exists ? into : ops.Room(x.Shape.WithLast(level.Blocks[i].Outputs));
        using (ops.Scope())
        {
            Tensor both = ops.Concat(x, batch.Like(ops, skip, x)); // [N, h, w, C + skip]
            y = level.Blocks[i].Run(ops, both, batch.Like(ops, time, x), into: y); // [N, h, w, C]
        }

        return Attend(ops, level.Attentions[i], y, texts, batch);
    }

    Tensor Layer(Ops ops, Level level, int i, Tensor x, Tensor time, TextKeys texts, JointBatch batch)
    {
        if (ops.Checkpoints)
        {
            return Checkpointed(ops, level, i, x, default, time, texts, batch);
        }

        Tensor y = level.Blocks[i].Run(ops, x, batch.Like(ops, time, x));
        return Attend(ops, level.Attentions[i], y, texts, batch);
    }

    /// <summary>A block and its attention, on [x, skip] if there is a skip, computed again on the way back.</summary>
    Tensor Checkpointed(Ops ops, Level level, int i, Tensor x, Tensor skip, Tensor time, TextKeys texts, JointBatch batch) =>
        ops.Checkpoint(x, x.Shape.WithLast(level.Blocks[i].Outputs), input =>
        {
            Tensor both = skip.Exists ? ops.Concat(input, skip) : input;
            return Attend(ops, level.Attentions[i], level.Blocks[i].Run(ops, both, time), texts, batch);
        });

    /// <summary>After the last attention of the network only the targets go on.</summary>
    Tensor Attend(Ops ops, SpatialTransformer? attention, Tensor x, TextKeys texts, JointBatch batch) =>
        attention is null ? x : attention.Run(ops, x, texts, batch, targetsOnly: attention == last && batch.HasTargets);

    void Check(Tensor x, Tensor timesteps, TextKeys texts, JointBatch batch)
    {
        if (x.Shape[3] != Config.InChannels || x.Shape[1] % Config.SizeMultiple != 0 || x.Shape[2] % Config.SizeMultiple != 0)
        {
            throw new ArgumentException(
                $"the network takes [N, h, w, {Config.InChannels}], h and w multiples of {Config.SizeMultiple}; got {x.Shape}");
        }

        if (x.Shape[0] != batch.Images || timesteps.Count != batch.Images || texts.Texts != batch.Texts)
        {
            throw new ArgumentException(
                $"{x.Shape[0]} images, {timesteps.Count} timesteps, {texts.Texts} texts; the batch has {batch.Images} and {batch.Texts}");
        }
    }

    /// <summary>Residual blocks of one resolution, the attention after each, and the change of resolution at the end.</summary>
    sealed record Level(ResBlock[] Blocks, SpatialTransformer?[] Attentions, Conv? Resample);

    /// <summary>The tensors that wait for their level on the way up, without any allocation.</summary>
    struct Skips
    {
        Room room;
        int count;

        public Tensor Push(Tensor x) => room[count++] = x;

        public Tensor Pop() => room[--count];

        [InlineArray(UNetConfig.MostSkips)]
        struct Room
        {
            Tensor first;
        }
    }
}
