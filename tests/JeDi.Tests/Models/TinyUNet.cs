using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Tests.Models;

/// <summary>The golden data's tiny U-Net, with recipe inputs per image, so that any images can be put into any batch.</summary>
public sealed class TinyUNet : IDisposable
{
    public const int Size = 16;
    public const int Tokens = 77;

    public TinyUNet(string target = "", IWeightSource? source = null, UNetConfig? config = null)
    {
        Device = target == "" ? Targets.EveryLevel[0].Make() : Targets.Make(target);
        using Checkpoint model = Checkpoint.FromRecipe("tiny", 9);
        Config = config ?? model.UNet;
        Network = Weights.Load(Device, source ?? model.Source(Component.UNet), w => new UNet(w, Config));
        Arena = new Arena(Device);
        Ops = new Ops(Device, Arena);
    }

    public Device Device { get; }

    public UNetConfig Config { get; }

    public UNet Network { get; }

    public Arena Arena { get; }

    public Ops Ops { get; private set; }

    /// <summary>From now on through these kernels.</summary>
    public void Decorate(Func<Kernels, Kernels> decorate) => Ops = new Ops(Device, Arena, decorate(Device.Kernels));

    /// <summary>Predictions for images of these names, each [h, w, 4].</summary>
    /// <param name="images">Names, set after set.</param>
    /// <param name="sets">Images of each set.</param>
    /// <param name="texts">For each image its text; a text has the name of its first image. Empty: each its own.</param>
    /// <param name="targets">Places of the images that are wanted; empty: all.</param>
    /// <param name="bias">What <see cref="JointBatch.KeyBias"/> is to be.</param>
    /// <param name="deep">Room for the deep features of these images; absent: none are kept.</param>
    /// <param name="reuse">Takes those that an earlier run left there.</param>
    public float[][] Run(
        string[] images,
        int[] sets,
        int[]? texts = null,
        int[]? targets = null,
        float[][]? bias = null,
        AttentionObserver? observer = null,
        Tensor deep = default,
        bool reuse = false)
    {
        using ArenaScope scope = Ops.Scope();
        int[] textOf = texts ?? [.. Enumerable.Range(0, images.Length)];
        var batch = new JointBatch(Ops, sets, textOf, targets)
        {
            KeyBias = [.. (bias ?? []).Select(values => Ops.From<float>([values.Length], values))],
            Observer = observer,
        };
        string[] textNames = [.. textOf.Distinct().Select(text => images[Array.IndexOf(textOf, text)])];
        Shape text = [textNames.Length, Tokens, Config.ContextWidth];
        Tensor context = Ops.From<float>(text, Each(textNames, "context", Tokens * Config.ContextWidth));
        TextKeys keys = Network.EncodeText(Ops, context);
        Shape shape = [images.Length, Size, Size, Config.InChannels];
        Tensor x = Ops.From<float>(shape, Each(images, "x", (int)shape.Count / images.Length));
        float[] times = [.. images.Select(image => 37f + Recipe.Hash(image) % 900)];
        Tensor timesteps = Ops.From<float>([images.Length], times);
        float[] y = Device.ToArray(Network.Run(Ops, x, timesteps, keys, batch, deep: deep, reuse: reuse));
        return [.. y.Chunk(Size * Size * Config.OutChannels)];
    }

    public void Dispose()
    {
        Arena.Release();
        Device.Dispose();
    }

    static float[] Each(string[] names, string what, int count) => [.. names.SelectMany(name => Recipe.Tensor($"{name}/{what}", count))];
}
