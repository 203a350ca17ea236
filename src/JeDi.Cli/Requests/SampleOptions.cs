using System.CommandLine;
using System.Text.Json.Nodes;
using JeDi.Files.Images;

namespace JeDi.Cli.Requests;

/// <summary>The options of <c>sample</c> that describe pictures; each has its name in <see cref="SampleSettings"/>.</summary>
public sealed class SampleOptions
{
    public Argument<string?> Prompt { get; } = new("prompt")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "What the picture shows.",
    };

    public Option<string[]> MorePrompts { get; } = OptionTypes.Texts(
        "--prompt", "TEXT", "Like the argument; with --together repeat it to give each picture its own.");

    public Option[] Subject { get; } =
    [
        OptionTypes.Texts(
            "--reference",
            "FILE,...",
            $"A photo of the subject ({PictureKinds.Readable}); repeatable. Further values after commas: "
                + "caption=TEXT (default: the prompt), weight=0..1, mask=FILE (white = subject), "
                + "start= and end=0..1 (share of the steps). A comma in a value is written \\,"),
        OptionTypes.Text("--fit", "crop|pad", "How a photo of another aspect ratio is fitted [default: crop]"),
        OptionTypes.Text("--reference-noise", "kept|fresh", "Noise on the references: drawn once, or for each evaluation [default: kept]"),
    ];

    public Option[] Guiding { get; } =
    [
        OptionTypes.Text(
            "--guidance",
            "MODE",
            "joint, text-only, text-first (closest to the photos) or image-first (closest to the text) [default: the model's, else joint]"),
        OptionTypes.Number("--text-scale", "X", "How strongly the text (in joint guidance: all) counts [default: the model's, else 7.5]"),
        OptionTypes.Number(
            "--image-scale", "X", "How strongly the photos count in text-first and image-first [default: the model's, else 7.5]"),
        OptionTypes.Number("--rescale", "0..1", "Share of norm matching against over-saturation [default: 0]"),
        OptionTypes.Text("--negative", "TEXT", "What the picture should not show [default: nothing]"),
        OptionTypes.Text("--guidance-range", "A..B", "Guidance only in this share of the steps, e.g. 0.2..0.8: faster [default: 0..1]"),
        OptionTypes.Text(
            "--prompt-syntax",
            "plain|weights",
            "weights: (word) counts 1.1 times, (word:1.2) 1.2 times, [word] 1/1.1 times, \\( is a bracket, and prompts may be longer than "
                + "75 tokens [default: plain]"),
        OptionTypes.Int("--clip-skip", "N", "Follow the text encoder's N-th layer from the end, 1 to 12 [default: 1]"),
    ];

    public Option[] Drawing { get; } =
    [
        OptionTypes.Text("--sampler", "NAME", $"{string.Join(", ", Sampling.Sampler.Names)} [default: the model's, else ddim]"),
        OptionTypes.Int("--steps", "N", "Sampler steps, 1 to 1000 (lcm: 1 to 50) [default: the model's, else 50]"),
        OptionTypes.Int("--deep-cache", "N", "Compute deep features at every N-th step, reuse them between: faster [default: 1]"),
        OptionTypes.Int("--width", "PIXELS", "Multiple of 64 [default: the model's]"),
        OptionTypes.Int("--height", "PIXELS", "Multiple of 64 [default: the model's]"),
        OptionTypes.Int("-n", "COUNT", "Pictures; picture k has seed S + k [default: 1, with --together as many as prompts]", "--count"),
        OptionTypes.Flag("--together", "The pictures form one set and share their subject; otherwise each is made on its own."),
        OptionTypes.Long("--seed", "S", "The same seed gives the same picture; -1: drawn, printed [default: -1]"),
        OptionTypes.Text("--rng", "torch-cpu|torch-cuda", "Whose random numbers are drawn [default: torch-cpu]"),
    ];

    public Option[] Editing { get; } =
    [
        OptionTypes.Text("--init", "FILE", "Picture to start from instead of noise."),
        OptionTypes.Number(
            "--strength", "X", "How far from --init the result may go, over 0 up to 1 [default: 0.8; with --inpaint: all the way]"),
        OptionTypes.Text("--inpaint", "MASK", "White parts of --init are repainted, the rest is kept."),
    ];

    public Option[] Engine { get; } =
    [
        OptionTypes.Text(
            "--model",
            "FOLDER|FILE",
            $"Checkpoint, by path or by its name in weights/ [default: {ModelFinder.Default}, the small model that ships]"),
        OptionTypes.Text("--tokenizer", "FOLDER", "vocab.json and merges.txt [default: the model's; CLIP's for a single file]"),
        OptionTypes.Texts("--lora", "FILE[:WEIGHT]", "LoRA file added to the weights; repeatable [default weight: 1]"),
        OptionTypes.Texts("--embedding", "FILE[=WORD]", "A word learned by textual inversion; repeatable [default word: the file's]"),
        OptionTypes.Text("--vae", "FOLDER|FILE", "Autoencoder instead of the model's own, also a tiny one (TAESD) [default: the model's]"),
        OptionTypes.Text("--preview-vae", "FOLDER|FILE", "Autoencoder for --preview, a tiny one is soon done [default: that of pictures]"),
        OptionTypes.Text("--device", "auto|cpu|cuda[:I]|sim", "Where to compute; sim: a simulated GPU [default: auto]"),
        OptionTypes.Text("--dtype", "auto|f16|bf16|f32", "Precision; the CPU has f32 [default: auto: on a GPU f16, bf16 for the VAE]"),
        OptionTypes.Int("--threads", "N", "CPU threads; the pictures do not depend on it [default: all cores]"),
        OptionTypes.Text("--winograd", "auto|off", "off: slower; pictures differ by rounding [default: auto]"),
        OptionTypes.Text("--weights", "f16|bf16|f32", "Type that weights are kept in [default: that of the model's files]"),
        OptionTypes.Int("--memory", "MB", "Memory for filters kept transformed: up to a fifth faster, same pictures [default: 0]"),
        OptionTypes.Flag("--low-memory", "One network at a time in memory: all pictures are denoised, then all decoded."),
        OptionTypes.Text("--vae-tiling", "auto|on|off", "Decode in overlapping tiles: less memory [default: auto, over 768 pixels a side]"),
    ];

    /// <summary>What stands on the command line, by name.</summary>
    public JsonObject Given(ParseResult parsed)
    {
        var given = new JsonObject();
        foreach (Option option in (Option[])[.. Subject, .. Guiding, .. Drawing, .. Editing, .. Engine])
        {
            if (parsed.Has(option))
            {
                given[option.Name.TrimStart('-')] = Value(parsed, option);
            }
        }

        string? first = parsed.GetValue(Prompt);
        string[] prompts = [.. first is null ? Array.Empty<string>() : [first], .. parsed.GetValue(MorePrompts) ?? []];
        if (prompts.Length > 0)
        {
            given["prompt"] = Texts(prompts);
        }

        return given;
    }

    static JsonNode Value(ParseResult parsed, Option option) => option switch
    {
        Option<string[]> { Name: "--reference" } texts =>
            new JsonArray([.. parsed.GetValue(texts)!.Select(text => ReferenceSettings.Parse(text).ToJson())]),
        Option<string[]> texts => Texts(parsed.GetValue(texts)!),
        Option<string> text => JsonValue.Create(parsed.GetValue(text))!,
        Option<bool> flag => JsonValue.Create(parsed.GetValue(flag)),
        Option<int> number => JsonValue.Create(parsed.GetValue(number)),
        Option<long> number => JsonValue.Create(parsed.GetValue(number)),
        Option<double> number => JsonValue.Create(parsed.GetValue(number)),
        _ => throw new InvalidOperationException($"{option.Name} is of no known type"),
    };

    static JsonArray Texts(string[] texts) => new([.. texts.Select(text => (JsonNode)JsonValue.Create(text))]);
}
