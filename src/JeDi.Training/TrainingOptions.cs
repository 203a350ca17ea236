using System.Text.Json;
using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Models;

namespace JeDi.Training;

/// <summary>
/// Everything that a training run depends on. The names, in kebab-case, are those of the command's options and of the JSON that every
/// checkpoint holds.
/// </summary>
public sealed record TrainingOptions
{
    static readonly JsonSerializerOptions json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.KebabCaseLower,
        WriteIndented = true,
        RespectNullableAnnotations = true,
    };

    readonly int[]? chosenSizes;

    /// <summary>Folders of sets: stacked images, and captions beside them.</summary>
    public string[] Data { get; init; } = [];

    /// <summary>How often each source is drawn from, in proportion; empty: equally.</summary>
    public double[] Weights { get; init; } = [];

    /// <summary>Held-out folder whose loss is computed at fixed noise and timesteps.</summary>
    public string? Validation { get; init; }

    /// <summary>Folder of class images (DreamBooth): half of every batch, with a loss of its own.</summary>
    public string? Prior { get; init; }

    public double PriorWeight { get; init; } = 1;

    /// <summary>Model to start from, or "scratch".</summary>
    public string From { get; init; } = "scratch";

    /// <summary>Structure of a model from scratch.</summary>
    public string Preset { get; init; } = "small";

    /// <summary>What a model from scratch predicts: epsilon, v_prediction or sample.</summary>
    public string Prediction { get; init; } = "epsilon";

    /// <summary>The last noise level of a model from scratch is noise alone, and sampling begins there (Lin et al. 2023).</summary>
    public bool ZeroSnr { get; init; }

    /// <summary>Most entries of a vocabulary that is learned from the captions.</summary>
    public int Vocabulary { get; init; } = 2048;

    /// <summary>Where checkpoints, the loss curve and previews go.</summary>
    public string Out { get; init; } = "training";

    /// <summary>What learns: unet or attention, with or without text; text alone; lora alone; vae alone.</summary>
    public string[] Train { get; init; } = ["unet"];

    /// <summary>Rank of the low-rank changes (LoRA).</summary>
    public int Rank { get; init; } = 8;

    /// <summary>They are multiplied by Alpha / Rank; 0: by 1.</summary>
    public double Alpha { get; init; }

    /// <summary>
    /// Which weights get one: parts of names like unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q or
    /// text_encoder.text_model.encoder.layers.0.self_attn.q_proj; * stands for anything.
    /// </summary>
    public string[] LoraLayers { get; init; } = ["unet.*attn*.to_"];

    /// <summary>Folder with vocab.json and merges.txt, for a model that has none of its own.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Pixels of a picture's side; 0: the model's.</summary>
    public int Size { get; init; }

    /// <summary>Pictures computed at once.</summary>
    public int Images { get; init; } = 4;

    /// <summary>Batches whose gradients make one step.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Images of a set, drawn with equal probability; not chosen: 1 to 4, at most <see cref="Images"/>.</summary>
    public int[] SetSizes
    {
        get => chosenSizes ?? [.. Enumerable.Range(1, Math.Clamp(Images, 1, 4))];
        init => chosenSizes = value;
    }

    public long Steps { get; init; } = 1000;

    public double Rate { get; init; } = 1e-4;

    /// <summary>constant, or cosine: down to nothing at the last step.</summary>
    public string Schedule { get; init; } = "constant";

    /// <summary>Steps over which the rate rises.</summary>
    public long WarmUp { get; init; }

    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.999;

    public double Eps { get; init; } = 1e-8;

    public double Decay { get; init; } = 0.01;

    /// <summary>Longest gradient of a step.</summary>
    public double Clip { get; init; } = 1;

    /// <summary>Share of the old average that stays at a step; smaller in the first steps.</summary>
    public double Ema { get; init; } = 0.999;

    /// <summary>own: each image has its caption; shared: all images of a set have its first (column 0 of the paper's Table 3).</summary>
    public string Captions { get; init; } = "own";

    /// <summary>Probability that a set's image is a reference.</summary>
    public double ReferenceProbability { get; init; } = 0.5;

    /// <summary>
    /// independent: each image is a reference with its probability, as in the paper; forced: of n images of a set 1 to n - 1 are
    /// references, so that each set has something to copy and something to draw.
    /// </summary>
    public string Masks { get; init; } = "independent";

    /// <summary>all: the loss is the mean over all images, as in the paper; targets: over those that are not references.</summary>
    public string LossOn { get; init; } = "all";

    /// <summary>
    /// 0: timesteps are drawn equally often; up to 1: more of them with much noise, where subject and layout are decided:
    /// t = T (1 - (1 - q)(1 - skew q)), q uniform.
    /// </summary>
    public double NoiseSkew { get; init; }

    /// <summary>Probability that a set loses its texts alone.</summary>
    public double TextDropout { get; init; } = 0.05;

    /// <summary>Probability that it loses texts and references together.</summary>
    public double FullDropout { get; init; } = 0.1;

    /// <summary>none, min-snr (at most Bound of SNR, over SNR), or v (1 + 1 / SNR, at most Bound).</summary>
    public string LossWeight { get; init; } = "none";

    public double Bound { get; init; } = 5;

    /// <summary>Of the latents' distance from unit Gaussian ones, when the VAE learns.</summary>
    public double KlWeight { get; init; } = 1e-4;

    /// <summary>Blocks are computed again on the way back: less memory, more time, equal bits.</summary>
    public bool Checkpointing { get; init; }

    public long SaveEvery { get; init; } = 500;

    /// <summary>Checkpoints that stay.</summary>
    public int Keep { get; init; } = 3;

    public long ValidateEvery { get; init; } = 500;

    /// <summary>0: none.</summary>
    public long PreviewEvery { get; init; }

    public long Seed { get; init; }

    /// <summary>Most bytes of latents and texts that are kept, in MB.</summary>
    public int Cache { get; init; } = 2048;

    public bool Trains(string part) => Train.Contains(part);

    /// <summary>Names as they stand in JSON.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. typeof(TrainingOptions).GetProperties().Where(property => property.CanWrite)
            .Select(property => JsonNamingPolicy.KebabCaseLower.ConvertName(property.Name))];

    public JsonObject ToJson() => JsonSerializer.SerializeToNode(this, json)!.AsObject();

    /// <summary>These options with the settings of <paramref name="changes"/> in place.</summary>
    /// <exception cref="TrainingException">A name is unknown, or a value of another kind.</exception>
    public TrainingOptions With(JsonObject changes, string origin)
    {
        JsonObject all = ToJson();
        if (chosenSizes is null)
        {
            all.Remove(JsonNamingPolicy.KebabCaseLower.ConvertName(nameof(SetSizes)));
        }

        foreach ((string name, JsonNode? value) in changes)
        {
            if (!Names.Contains(name))
            {
                throw new TrainingException($"{origin}: unknown setting '{name}'; {NearMiss.Suggest(name, Names)}"
                    + $"there are {string.Join(", ", Names)}");
            }

            all[name] = value?.DeepClone();
            try
            {
                all.Deserialize<TrainingOptions>(json);
            }
            catch (JsonException)
            {
                throw new TrainingException($"{origin}: '{name}' cannot be {value?.ToJsonString() ?? "null"}");
            }
        }

        return all.Deserialize<TrainingOptions>(json)!;
    }

    /// <exception cref="TrainingException">Something is impossible: says what is possible.</exception>
    public void Check()
    {
        if (Data.Length == 0)
        {
            throw new TrainingException("no data: name a folder of sets with --data");
        }

        Want(Weights.Length == 0 || (Weights.Length == Data.Length && Weights.All(weight => weight >= 0) && Weights.Sum() > 0),
            "weights", $"one number of at least 0 for each of the {Data.Length} sources");
        string[] parts = ["unet", "attention", "text", "lora", "vae"];
        bool alone = (!Trains("vae") && !Trains("lora")) || Train.Length == 1;
        Want(Train.Length > 0 && Train.All(parts.Contains) && alone, "train", "unet, attention and text, or lora alone, or vae alone");
        Want(From != "scratch" || Presets.Names.Contains(Preset), "preset", string.Join(" or ", Presets.Names));
        Want(Rank is >= 1 and <= 4096, "rank", "1 to 4096");
        Want(Alpha >= 0 && double.IsFinite(Alpha), "alpha", "at least 0");
        Want(LoraLayers.Length > 0, "lora-layers", "a part of the weights' names");
        Want(Size >= 0 && Size % 8 == 0, "size", "a multiple of 8");
        Want(Images is >= 1 and <= 4096, "images", "1 to 4096");
        Want(Accumulate is >= 1 and <= 65536, "accumulate", "1 to 65536");
        Want(SetSizes.Length > 0 && SetSizes.All(size => size >= 1 && size <= Images), "set-sizes", $"each from 1 to {Images} (--images)");
        Want(Steps >= 1, "steps", "at least 1");
        Want(Rate > 0 && double.IsFinite(Rate), "rate", "above 0");
        Want(Schedule is "constant" or "cosine", "schedule", "constant or cosine");
        Want(WarmUp >= 0, "warm-up", "at least 0");
        Want(Beta1 is >= 0 and < 1, "beta1", "0 to below 1");
        Want(Beta2 is >= 0 and < 1, "beta2", "0 to below 1");
        Want(Eps > 0, "eps", "above 0");
        Want(Decay >= 0 && double.IsFinite(Decay), "decay", "at least 0");
        Want(Clip > 0, "clip", "above 0");
        Want(Ema is >= 0 and < 1, "ema", "0 to below 1");
        Want(ReferenceProbability is >= 0 and <= 1, "reference-probability", "0 to 1");
        Want(TextDropout >= 0 && FullDropout >= 0 && TextDropout + FullDropout <= 1, "text-dropout", "with full-dropout 0 to 1");
        Want(Prediction is "epsilon" or "v_prediction" or "sample", "prediction", "epsilon, v_prediction or sample");
        Want(!ZeroSnr || Prediction != "epsilon", "prediction", "v_prediction or sample with zero-snr");
        Want(Captions is "own" or "shared", "captions", "own or shared");
        Want(Masks is "independent" or "forced", "masks", "independent or forced");
        Want(LossOn is "all" or "targets", "loss-on", "all or targets");
        Want(NoiseSkew is >= 0 and <= 1, "noise-skew", "0 to 1");
        Want(LossWeight is "none" or "min-snr" or "v", "loss-weight", "none, min-snr or v");
        Want(Bound > 0, "bound", "above 0");
        Want(KlWeight >= 0, "kl-weight", "at least 0");
        Want(PriorWeight >= 0, "prior-weight", "at least 0");
        Want(Prior is null || Images >= 2, "images", "at least 2 with --prior");
        Want(SaveEvery >= 1, "save-every", "at least 1");
        Want(Keep >= 1, "keep", "at least 1");
        Want(ValidateEvery >= 1, "validate-every", "at least 1");
        Want(PreviewEvery >= 0, "preview-every", "at least 0");
        Want(Vocabulary >= 600, "vocabulary", "at least 600");
        Want(Cache >= 0, "cache", "at least 0");
    }

    static void Want(bool right, string name, string wanted)
    {
        if (!right)
        {
            throw new TrainingException($"--{name}: {wanted} is wanted");
        }
    }
}
