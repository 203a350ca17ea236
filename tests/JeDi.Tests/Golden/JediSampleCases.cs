using System.Text.Json;
using JeDi.Models;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Tests.Golden;

/// <summary>The whole personalised sampling loop on the tiny U-Net: the targets' latents after every evaluation.</summary>
static class JediSampleCases
{
    const int Tokens = 77;
    const int Channels = 4;

    public static void Run(GoldenCase c)
    {
        UNetConfig config = Checkpoint.FromRecipe("tiny", c.Int("in_channels")).UNet;
        string sampler = Text(c, "sampler");
        double? strength = c.Json.GetProperty("strength") is { ValueKind: JsonValueKind.Number } s ? s.GetDouble() : null;
        int first = strength is null ? 0 : Sampler.FirstEvaluation(sampler, c.Int("steps"), strength.Value);
        SamplerPlan plan = Sampler.Plan(sampler, NoiseSchedule.StableDiffusion, c.Int("steps"), first);
        GuidanceMode mode = Guidance.Parse(Text(c, "guidance"));
        var shape = new JointShape(1, c.Int("references"), c.Int("targets"), c.Int("height"), c.Int("width"), mode)
        {
            FreshReferenceNoise = c.Json.GetProperty("fresh_reference_noise").GetBoolean(),
            FromImages = strength is not null,
            Inpaint = c.Json.GetProperty("inpaint").GetBoolean(),
        };
        float[] timesteps = [.. c.Json.GetProperty("timesteps").EnumerateArray().Select(t => t.GetSingle())];
        c.Expect("timesteps", [.. plan.Rows.Select(row => (float)row.Timestep)], timesteps, 0);
        c.Expect("noise_draws", [plan.Rows.Count(row => row.DrawsNoise)], [c.Int("noise_draws")], 0);

        var arena = new Arena(c.Device);
        var ops = new Ops(c.Device, arena);
        var network = Weights.Load(c.Device, new RecipeSource(c.WeightPrefix), w => new UNet(w, config));
        var state = new JointState(ops, network, shape, plan, Tokens);
        var step = new JointStep(ops, network, state);
        state.Write(Inputs(c, shape, plan, config));
        using Replay replay = c.Device.Record(step.Run);
        var trace = new List<float>();
        for (int i = 0; i < plan.Rows.Count; i++)
        {
            replay.Run();
            trace.AddRange(Layouts.NhwcToNchw(c.Device.ToArray(state.X), shape.Targets, Channels, shape.Height * shape.Width));
        }

        string key = $"{c.Tag}/targets";
        c.Expect(key, [.. trace], c.ModelTolerance(key));
    }

    static JointInputs Inputs(GoldenCase c, JointShape shape, SamplerPlan plan, UNetConfig config)
    {
        int draws = plan.Rows.Count(row => row.DrawsNoise);
        Shape references = [shape.References, Channels, shape.Height, shape.Width];
        Shape targets = references.WithFirst(shape.Targets);
        Shape set = references.WithFirst(shape.SetImages);
        int skipped = (int)references.Count;
        float[] nullText = c.Input("null", [1, Tokens, config.ContextWidth]);
        float[][] texts = [.. c.Input("text", [shape.SetImages, Tokens, config.ContextWidth]).Chunk(nullText.Length)];
        return new JointInputs
        {
            InitialNoise = c.InputNhwc("init", set)[skipped..],
            Texts = [.. shape.Texts(config).SelectMany(entry => entry.Kind == TextKind.Own ? texts[entry.Image] : nullText)],
            References = c.InputNhwc("reference", references, scale: 1),
            ReferenceNoise = shape.FreshReferenceNoise
                ? [.. Enumerable.Range(0, plan.Rows.Count).SelectMany(i => c.InputNhwc($"reference_noise/{i}", references))]
                : c.InputNhwc("reference_noise", references),
            StepNoise = [.. Enumerable.Range(0, draws).SelectMany(k => c.InputNhwc($"noise/{k}", set)[skipped..])],
            Images = shape.FromImages || shape.Inpaint ? c.InputNhwc("image", targets, scale: 1) : [],
            InpaintMask = shape.Inpaint
                ? [.. c.Input("inpaint_mask", [shape.Targets, 1, shape.Height, shape.Width], scale: 1).Select(value => value > 0 ? 1f : 0f)]
                : [],
            TextScale = c.Json.GetProperty("text_scale").GetDouble(),
            ImageScale = c.Json.GetProperty("image_scale").GetDouble(),
        };
    }

    static string Text(GoldenCase c, string key) => c.Json.GetProperty(key).GetString()!;
}
