using JeDi.Files.Images;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi.Cli.Requests;

/// <summary>Wishes in the engine's own terms.</summary>
public static class EngineRequests
{
    public static EngineOptions Options(SampleSettings wishes) => new()
    {
        Device = wishes.Device ?? "auto",
        DType = wishes.Dtype ?? "auto",
        Threads = wishes.Threads ?? 0,
        Winograd = wishes.Winograd != "off",
        KeptFilterBytes = (long)(wishes.Memory ?? 0) << 20,
        Weights = wishes.Weights is null ? null : Enum.Parse<DType>(wishes.Weights, ignoreCase: true),
        LowMemory = wishes.LowMemory,
        Loras = [.. wishes.Lora.Select(LoraArgument.Parse)],
        Tokenizer = wishes.Tokenizer,
        Embeddings = [.. wishes.Embedding.Select(EmbeddingArgument.Parse)],
        Vae = wishes.Vae,
        PreviewVae = wishes.PreviewVae,
    };

    /// <param name="wishes">With all defaults filled in.</param>
    /// <param name="attentionMap">Correspondences are collected.</param>
    /// <param name="textChunks">Of the longest text.</param>
    public static SessionShape Shape(SampleSettings wishes, bool attentionMap, int textChunks) => new(
        wishes.Reference.Length,
        wishes.Pictures,
        wishes.Width!.Value,
        wishes.Height!.Value,
        Guidance.Parse(wishes.Guidance!),
        wishes.Sampler,
        wishes.Steps!.Value)
    {
        Strength = wishes.Strength,
        FreshReferenceNoise = wishes.ReferenceNoise == "fresh",
        Inpaint = wishes.Inpaint is not null,
        Rescale = wishes.Rescale is > 0,
        ReuseInterval = wishes.DeepCache ?? 1,
        VaeTiling = wishes.VaeTiling switch
        {
            "on" => true,
            "off" => false,
            _ => null,
        },
        AttentionMap = attentionMap,
        TextChunks = textChunks,
    };

    /// <summary>How brackets in the texts are read.</summary>
    public static PromptSyntax Syntax(SampleSettings wishes) =>
        wishes.PromptSyntax == "weights" ? PromptSyntax.Weights : PromptSyntax.Plain;

    /// <summary>Every text of the wishes.</summary>
    public static IEnumerable<string> Texts(SampleSettings wishes) =>
        [.. wishes.Prompt, wishes.Negative ?? "", .. wishes.Reference.Select(reference => reference.Caption).OfType<string>()];

    /// <param name="wishes">With all defaults filled in.</param>
    /// <param name="image">Reads a picture.</param>
    /// <param name="latent">Encodes a picture.</param>
    /// <param name="prompt">Encodes a text.</param>
    public static JeDiRequest Request(
        SampleSettings wishes, Func<string, PixelImage> image, Func<string, float[]> latent, Func<string, Prompt> prompt) => new()
        {
            Prompts = [.. wishes.Prompt.Select(prompt)],
            Negative = prompt(wishes.Negative ?? ""),
            References = [.. wishes.Reference.Select(reference => new Reference
        {
            Image = image(reference.File),
            Latent = latent(reference.File),
            Caption = reference.Caption is null ? null : prompt(reference.Caption),
            Weight = reference.Weight ?? 1,
            Mask = reference.Mask is null ? null : image(reference.Mask),
            Start = reference.Start ?? 0,
            End = reference.End ?? 1,
        })],
            Syntax = Syntax(wishes),
            ClipSkip = wishes.ClipSkip ?? 1,
            Seed = wishes.Seed!.Value,
            TextScale = wishes.TextScale,
            ImageScale = wishes.ImageScale,
            Rescale = wishes.Rescale ?? 0,
            GuidanceFrom = SampleChecks.Range(wishes.GuidanceRange).From,
            GuidanceTo = SampleChecks.Range(wishes.GuidanceRange).To,
            TorchCudaRandom = wishes.Rng == "torch-cuda",
            Init = wishes.Init is null ? null : image(wishes.Init),
            InpaintMask = wishes.Inpaint is null ? null : image(wishes.Inpaint),
            PadToFit = wishes.Fit == "pad",
        };
}
