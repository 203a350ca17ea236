using JeDi.Files;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Sampling;

/// <summary>
/// Joint runs on the tiny U-Net of the recipe; inputs of set k are recipe tensors named after k and the image, never after the batch.
/// </summary>
sealed class JointRun : IDisposable
{
    /// <summary>
    /// For runs that are equal but for the order of some sums, as whole models: 4 x what F32 does to such a run (2.5e-6 in the golden
    /// data) plus 2e-6, of the largest value.
    /// </summary>
    public const double Rounding = 1.2e-5;

    const int Tokens = 77;
    const int Channels = 4;

    readonly Arena arena;
    readonly JointStep step;

    public JointRun(Device device, UNet network, JointShape shape, SamplerPlan plan, Kernels? kernels = null)
    {
        arena = new Arena(device) { Poison = true };
        var ops = new Ops(device, arena, kernels);
        Network = network;
        State = new JointState(ops, network, shape, plan, Tokens);
        step = new JointStep(ops, network, State);
    }

    public UNet Network { get; }

    public JointState State { get; }

    public JointShape Shape => State.Shape;

    public static UNet Tiny(Device device, int channels = 9) =>
        Weights.Load(
            device, new RecipeSource($"unet-tiny-{channels}/"), w => new UNet(w, Checkpoint.FromRecipe("tiny", channels).UNet));

    /// <summary>Inputs of sets <paramref name="firstSet"/> and up.</summary>
    public JointInputs Inputs(int firstSet = 0)
    {
        int pixels = Shape.Height * Shape.Width;
        int latent = pixels * Channels;
        int text = Tokens * Network.Config.ContextWidth;
        int draws = State.Plan.Rows.Count(row => row.DrawsNoise);
        IEnumerable<string> targets = Names(Shape.Targets, "target");
        IEnumerable<string> references = Names(Shape.References, "reference");
        IEnumerable<int> evaluations = Enumerable.Range(0, Shape.FreshReferenceNoise ? State.Plan.Rows.Count : 1);
        return new JointInputs
        {
            InitialNoise = Draw(targets, "init", latent),
            Texts = [.. Shape.Texts(Network.Config).SelectMany(entry => Recipe.Tensor(TextName(entry), text))],
            References = Draw(references, "clean", latent),
            ReferenceNoise = [.. evaluations.SelectMany(i => Draw(references, $"noise {i}", latent))],
            StepNoise = [.. Enumerable.Range(0, draws).SelectMany(i => Draw(targets, $"draw {i}", latent))],
            Images = Draw(targets, "image", latent),
            InpaintMask = Shape.Inpaint ? [.. Draw(targets, "mask", pixels).Select(value => value > 0 ? 1f : 0f)] : [],
            TextScale = 4,
            ImageScale = 2.5,
        };

        IEnumerable<string> Names(int count, string kind) =>
            Enumerable.Range(0, Shape.Sets * count).Select(i => $"joint run/{firstSet + i / count}/{kind} {i % count}");

        string TextName(TextEntry entry) =>
            entry.Kind == TextKind.Own ? $"joint run/{firstSet + entry.Set}/text {entry.Image}" : $"joint run/{entry.Kind}";

        static float[] Draw(IEnumerable<string> names, string what, int count) =>
            [.. names.SelectMany(name => Recipe.Tensor($"{name}/{what}", count))];
    }

    /// <summary>The targets' latents after every evaluation.</summary>
    public float[][] Run(JointInputs inputs)
    {
        State.Write(inputs);
        var trace = new float[State.Plan.Rows.Count][];
        for (int i = 0; i < trace.Length; i++)
        {
            step.Run();
            trace[i] = State.X.Device.ToArray(State.X);
        }

        return trace;
    }

    public void Step(int evaluation)
    {
        State.SeekTo(evaluation);
        step.Run();
    }

    /// <summary>Equal but for the order of some sums.</summary>
    public static void AssertClose(float[] actual, float[] expected)
    {
        Assert.That(expected.Max(Math.Abs), Is.GreaterThan(0.1f), "a picture of nothing");
        Close.Within(actual, expected, Rounding);
    }

    public long ArenaBytes => arena.Capacity;

    public void Freeze() => arena.Freeze();

    public void Dispose() => arena.Release();
}
