using JeDi.Tests.Models;

namespace JeDi.Tests.Golden;

/// <summary>Where the cases of an op run.</summary>
public enum GoldenTargets
{
    /// <summary>On no device: files, tokens, sampler plans.</summary>
    Host,

    /// <summary>On the CPU device at its widest SIMD level; on other devices in every element type.</summary>
    Widest,

    /// <summary>On the CPU device at every SIMD level that the processor has; on other devices in every element type.</summary>
    EveryLevel,
}

/// <summary>The one list of what a case's <c>op</c> means. Runners stand beside the tests of what they run.</summary>
public static class GoldenRunners
{
    public static IReadOnlyDictionary<string, (GoldenTargets Targets, GoldenRunner Run)> All { get; } =
        new Dictionary<string, (GoldenTargets, GoldenRunner)>
        {
            ["torch_cpu_randn"] = (GoldenTargets.Host, RandomCases.Run),
            ["tokenizer"] = (GoldenTargets.Host, TokenizerCases.Run),
            ["image"] = (GoldenTargets.Host, ImageCases.Run),
            ["unet"] = (GoldenTargets.Widest, UNetCases.Run),
            ["vae"] = (GoldenTargets.Widest, VaeCases.Run),
            ["autoencoder_tiny"] = (GoldenTargets.EveryLevel, TinyVaeCases.Run),
            ["clip_text"] = (GoldenTargets.Widest, EncoderCases.ClipText),
            ["clip_vision"] = (GoldenTargets.Widest, EncoderCases.ClipVision),
            ["dino"] = (GoldenTargets.Widest, EncoderCases.Dino),
            ["scheduler"] = (GoldenTargets.Host, SchedulerCases.Run),
            ["scheduler_config"] = (GoldenTargets.Host, SchedulerCases.Run),
            ["jedi_sample"] = (GoldenTargets.EveryLevel, JediSampleCases.Run),
            ["pipeline"] = (GoldenTargets.EveryLevel, PipelineCases.Run),
        }
        .Concat(OpCases.All.Select(entry => KeyValuePair.Create(entry.Op, (GoldenTargets.EveryLevel, entry.Run))))
        .ToDictionary();

    /// <summary>Runners of the gradients that a case stores beside its results, on every SIMD level.</summary>
    public static IReadOnlyDictionary<string, GoldenRunner> Gradients { get; } = OpGradientCases.All
        .Append(("unet", UNetGradientCases.Run))
        .Append(("jedi_train", UNetGradientCases.Train))
        .ToDictionary(entry => entry.Item1, entry => entry.Item2);
}
