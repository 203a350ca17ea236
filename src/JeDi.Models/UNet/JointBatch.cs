using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>Sees the queries and keys of a coupled self-attention layer, e.g. to make attention maps of them.</summary>
/// <param name="layer">Number of the transformer block in the order of computation.</param>
/// <param name="queries">[images or targets, L, C].</param>
/// <param name="keys">[images, L, C].</param>
/// <param name="bias">Added to the logits of the keys: [images], [images, L] or absent.</param>
/// <param name="heads">Heads that C is split into.</param>
public delegate void AttentionObserver(Ops ops, int layer, Tensor queries, Tensor keys, Tensor bias, int heads);

/// <summary>Whose keys an image sees: in self-attention those of its set, in cross-attention those of its text.</summary>
public readonly record struct Coupling(AttentionSets Images, AttentionSets Texts);

/// <summary>
/// Who attends to whom among the images of a batch. Sets lie one after another and may differ in size; images that share a text lie
/// next to each other. Made once, held in device memory, valid as long as the arena that it was made in.
/// </summary>
public sealed class JointBatch
{
    readonly Tensor targets;
    readonly Coupling fromTargets;

    /// <param name="setSizes">Images of each set.</param>
    /// <param name="texts">For each image its entry of <see cref="TextKeys"/>: from 0 on, never falling, without gaps.</param>
    /// <param name="targets">
    /// Images whose prediction is wanted, rising; empty: all. The others still give keys and values, but nothing is computed for them
    /// after the last coupled attention.
    /// </param>
    public JointBatch(Ops ops, ReadOnlySpan<int> setSizes, ReadOnlySpan<int> texts, ReadOnlySpan<int> targets = default)
    {
        Images = texts.Length;
        Texts = texts[^1] + 1;
        int[] sets = SetOfEachImage(setSizes, texts);
        Tensor imageBounds = Bounds(ops, sets, setSizes.Length);
        Tensor textBounds = Bounds(ops, texts, Texts);
        Tensor oneEach = Counting(ops, Texts + 1);
        All = new Coupling(new AttentionSets(imageBounds, imageBounds), new AttentionSets(textBounds, oneEach));
        if (targets.IsEmpty)
        {
            return;
        }

        int[] targetSets = new int[targets.Length];
        int[] targetTexts = new int[targets.Length];
        for (int i = 0; i < targets.Length; i++)
        {
            if (targets[i] >= Images || (i > 0 && targets[i] <= targets[i - 1]))
            {
                throw new ArgumentException($"targets rise and lie below {Images}, got {targets[i]} at {i}");
            }

            targetSets[i] = sets[targets[i]];
            targetTexts[i] = texts[targets[i]];
        }

        this.targets = ops.From<int>([targets.Length], targets);
        fromTargets = new Coupling(
            new AttentionSets(Bounds(ops, targetSets, setSizes.Length), imageBounds),
            new AttentionSets(Bounds(ops, targetTexts, Texts), oneEach));
    }

    /// <summary>Other sets of the same images, in the same memory; as many sizes as before, of which the last may be 0.</summary>
    public void Regroup(Device device, ReadOnlySpan<int> setSizes)
    {
        Tensor bounds = All.Images.Queries;
        int sum = 0;
        var values = new int[setSizes.Length + 1];
        for (int set = 0; set < setSizes.Length; set++)
        {
            values[set + 1] = sum += setSizes[set];
        }

        if (values.Length != bounds.Count || sum != Images || HasTargets)
        {
            throw new ArgumentException($"{setSizes.Length} sets of {sum} images cannot stand for {bounds.Count - 1} sets of {Images}");
        }

        device.Write<int>(bounds, values);
    }

    /// <summary>Images of the batch.</summary>
    public int Images { get; }

    /// <summary>Entries of <see cref="TextKeys"/> that the images follow.</summary>
    public int Texts { get; }

    /// <summary>Images whose prediction is computed.</summary>
    public int Predicted => targets.Exists ? targets.Shape[0] : Images;

    /// <summary>
    /// Added to the attention logits of keys: nothing; one tensor [images] for all levels; or for each level of the U-Net, finest
    /// first, one [images, L]. -infinity drops a key.
    /// </summary>
    public IReadOnlyList<Tensor> KeyBias { get; init; } = [];

    /// <summary>Sees queries and keys of the attention layers; null: nobody.</summary>
    public AttentionObserver? Observer { get; init; }

    internal bool HasTargets => targets.Exists;

    /// <summary>Every image asks.</summary>
    internal Coupling All { get; }

    /// <summary>Who sees whom among as many images as are left: all of them, or the targets alone.</summary>
    internal Coupling For(Tensor x) => x.Shape[0] == Images ? All : fromTargets;

    internal Tensor BiasAt(int level) => KeyBias.Count switch
    {
        0 => default,
        1 => KeyBias[0],
        _ => KeyBias[level],
    };

    /// <summary>The targets' entries of x [images, ..]: [targets, ..].</summary>
    internal Tensor Targets(Ops ops, Tensor x) => ops.Embed(x, targets);

    /// <summary>x as it is, or its targets' entries where only these go on.</summary>
    internal Tensor Like(Ops ops, Tensor x, Tensor other) => x.Shape[0] == other.Shape[0] ? x : Targets(ops, x);

    static int[] SetOfEachImage(ReadOnlySpan<int> setSizes, ReadOnlySpan<int> texts)
    {
        int images = 0;
        foreach (int size in setSizes)
        {
            images += size;
        }

        if (images != texts.Length)
        {
            throw new ArgumentException($"sets of {images} images, texts for {texts.Length}");
        }

        var sets = new int[images];
        int first = 0;
        for (int set = 0; set < setSizes.Length; set++)
        {
            sets.AsSpan(first, setSizes[set]).Fill(set);
            first += setSizes[set];
        }

        int previous = -1;
        foreach (int text in texts)
        {
            if (text != previous && text != previous + 1)
            {
                throw new ArgumentException($"texts count up from 0 without gaps, got {text} after {previous}");
            }

            previous = text;
        }

        return sets;
    }

    /// <summary>For groups that rise over the entries: where each group starts, and the end: [groups + 1].</summary>
    static Tensor Bounds(Ops ops, ReadOnlySpan<int> groupOfEach, int groups)
    {
        var bounds = new int[groups + 1];
        foreach (int group in groupOfEach)
        {
            bounds[group + 1]++;
        }

        for (int i = 0; i < groups; i++)
        {
            bounds[i + 1] += bounds[i];
        }

        return ops.From<int>([groups + 1], bounds);
    }

    static Tensor Counting(Ops ops, int count) => ops.From<int>([count], [.. Enumerable.Range(0, count)]);
}
