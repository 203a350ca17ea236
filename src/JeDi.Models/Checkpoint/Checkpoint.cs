using System.Text.Json.Nodes;
using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Files.Tokenizer;
using JeDi.Tensors;
using JeDi.Tensors.Planning;

namespace JeDi.Models;

/// <summary>Where a checkpoint's weights stand.</summary>
public enum CheckpointForm
{
    /// <summary>A diffusers folder with one subfolder for each component.</summary>
    Folder,

    /// <summary>One safetensors file in the naming of the first Stable Diffusion release.</summary>
    SingleFile,

    /// <summary>Nowhere: they follow from their names.</summary>
    Recipe,
}

/// <summary>A weight as a checkpoint stores it, under the name of the folder form.</summary>
public sealed record StoredWeight(string Name, Shape Shape, DType Type);

/// <summary>
/// A whole text-to-image model: configs and weights of U-Net, VAE and text encoder, noise schedule and defaults. Opening it reads
/// headers and configs only.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    internal const string UNetFile = "unet/config.json";
    internal const string VaeFile = "vae/config.json";
    internal const string TextFile = "text_encoder/config.json";
    internal const string SchedulerFile = "scheduler/scheduler_config.json";
    internal const string IndexFile = "model_index.json";

    /// <summary>By component.</summary>
    IWeightSource[] sources;
    readonly List<SafetensorsSet> files;
    readonly List<string> doubts = [];
    readonly Dictionary<string, int[]> words = [];

    internal Checkpoint(
        string origin,
        CheckpointForm form,
        IReadOnlyDictionary<string, string> configs,
        Func<UNetConfig, VaeConfig, IWeightSource[]> sources,
        List<SafetensorsSet> files,
        string? tokenizerFolder = null)
    {
        Origin = origin;
        Form = form;
        Configs = configs;
        this.files = files;
        TokenizerFolder = tokenizerFolder;
        UNet = UNetConfig.Read(Reader(UNetFile)!);
        Vae = VaeConfig.Read(Reader(VaeFile)!);
        Text = ClipTextConfig.Read(Reader(TextFile)!);
        Schedule = Reader(SchedulerFile) is ConfigReader schedule ? ScheduleConfig.Read(schedule) : new ScheduleConfig();
        Defaults = ModelDefaults.Read(Reader(IndexFile));
        doubts.AddRange(Reader(SchedulerFile) is ConfigReader scheduler ? ScheduleConfig.Doubts(scheduler) : []);
        if (UNet.OutChannels != Vae.LatentChannels)
        {
            throw new CheckpointException($"{origin}: the U-Net makes {UNet.OutChannels} channels, the VAE takes {Vae.LatentChannels}");
        }

        if (UNet.ContextWidth != Text.Width)
        {
            throw new CheckpointException(
                $"{origin}: the U-Net follows texts of width {UNet.ContextWidth}, the text encoder makes {Text.Width}");
        }

        this.sources = sources(UNet, Vae);
    }

    /// <summary>For messages: the folder, the file, or the recipe.</summary>
    public string Origin { get; }

    /// <summary>Folder or single file.</summary>
    public CheckpointForm Form { get; }

    /// <summary>Of the denoising network.</summary>
    public UNetConfig UNet { get; private set; }

    /// <summary>Of the autoencoder.</summary>
    public VaeConfig Vae { get; private set; }

    /// <summary>Of the text encoder.</summary>
    public ClipTextConfig Text { get; private set; }

    /// <summary>Noise levels that the model was trained on.</summary>
    public ScheduleConfig Schedule { get; }

    /// <summary>What the model wants requests to have that say nothing else.</summary>
    public ModelDefaults Defaults { get; }

    /// <summary>What the files say that changes nothing here although it may be meant to: a line for each.</summary>
    public IReadOnlyList<string> Doubts => doubts;

    /// <summary>Folder with vocab.json and merges.txt, if the model has its own.</summary>
    public string? TokenizerFolder { get; }

    /// <summary>The config files as they stand, by their path in the folder form.</summary>
    public IReadOnlyDictionary<string, string> Configs { get; private set; }

    /// <summary>Opens a diffusers folder or a single file.</summary>
    /// <exception cref="CheckpointException">It is no checkpoint, or of a kind that is not supported.</exception>
    /// <exception cref="Files.FileException">A file of it cannot be read.</exception>
    public static Checkpoint Open(string path) =>
        Directory.Exists(path) ? CheckpointFolder.Open(path)
        : File.Exists(path) ? SingleFile.Open(path)
        : throw new CheckpointException($"{path}: no such model file or folder");

    /// <summary>A checkpoint of a known structure whose weights follow from their names.</summary>
    /// <param name="preset">One of <see cref="Presets.Names"/>.</param>
    /// <param name="channels">Input channels of the U-Net: 4 or 9.</param>
    /// <param name="type">F32, or a smaller type that the numbers are rounded to.</param>
    public static Checkpoint FromRecipe(string preset, int channels, DType type = DType.F32)
    {
        var configs = Presets.Files(preset, channels).ToDictionary(file => file.Key, file => file.Value.ToJsonString());
        IWeightSource Source(Component component) => new RecipeSource(Presets.WeightPrefix(preset, component, channels), type);
        return new Checkpoint($"recipe {preset}", CheckpointForm.Recipe, configs, (_, _) => EachComponent(Source), []);
    }

    /// <summary>A checkpoint of these config files whose weights come from anywhere.</summary>
    /// <param name="origin">For messages.</param>
    /// <param name="configs">By their path in the folder form.</param>
    /// <param name="source">Weights of a component.</param>
    /// <param name="tokenizerFolder">With vocab.json and merges.txt.</param>
    public static Checkpoint Of(
        string origin, IReadOnlyDictionary<string, string> configs, Func<Component, IWeightSource> source, string? tokenizerFolder) =>
        new(origin, CheckpointForm.Folder, configs, (_, _) => EachComponent(source), [], tokenizerFolder);

    /// <summary>A tokenizer for this model's text encoder.</summary>
    /// <param name="folder">With vocab.json and merges.txt; null: the model's own.</param>
    /// <exception cref="CheckpointException">There is none, or it has tokens that the text encoder does not know.</exception>
    /// <exception cref="Files.FileException">A file is missing or damaged.</exception>
    public ClipTokenizer OpenTokenizer(string? folder)
    {
        folder ??= TokenizerFolder ?? throw new CheckpointException(
            $"{Origin}: has no tokenizer (vocab.json and merges.txt in {CheckpointFolder.TokenizerName}/); "
            + "name a folder that has one as EngineOptions.Tokenizer");
        var tokenizer = ClipTokenizer.Open(folder);
        foreach ((string word, int[] ids) in words)
        {
            tokenizer = tokenizer.Including(word, ids);
        }

        return tokenizer.VocabularySize <= Text.Vocabulary ? tokenizer : throw new CheckpointException(
            $"{folder}: has {tokenizer.VocabularySize} tokens, the text encoder of {Origin} knows {Text.Vocabulary}; "
            + "name the right one as EngineOptions.Tokenizer");
    }

    /// <summary>Weights of one component, with the names of the folder form.</summary>
    public IWeightSource Source(Component component) => sources[(int)component];

    /// <summary>Words that were added, each with the ids of its vectors.</summary>
    public IReadOnlyDictionary<string, int[]> Words => words;

    /// <summary>Teaches the text encoder a word (textual inversion).</summary>
    /// <param name="path">Safetensors file.</param>
    /// <param name="word">What it is called in prompts; null: as in the file, else the file's name.</param>
    /// <exception cref="CheckpointException">It is no embedding, or one for another text encoder.</exception>
    public void AddEmbedding(string path, string? word = null)
    {
        EmbeddingFile file = EmbeddingFile.Open(path, word);
        if (file.Width != Text.Width)
        {
            throw new CheckpointException($"{path}: its vectors have the width {file.Width}, the text encoder of {Origin} {Text.Width}; "
                + "is it an embedding for another kind of model?");
        }

        if (!words.TryAdd(file.Word, [.. Enumerable.Range(Text.Vocabulary, file.Vectors)]))
        {
            throw new CheckpointException($"{path}: the word '{file.Word}' is taken by another embedding; name another with FILE=WORD");
        }

        sources[(int)Component.TextEncoder] = new EmbeddingSource(sources[(int)Component.TextEncoder], Text.Vocabulary, file.Values);
        Text = Text with { Vocabulary = Text.Vocabulary + file.Vectors };
    }

    /// <summary>Another autoencoder for previews, which need not be as good as pictures; null: the model's.</summary>
    public (VaeConfig Config, IWeightSource Source)? Preview { get; private set; }

    /// <summary>Takes another autoencoder instead of the model's own.</summary>
    /// <param name="path">A folder with config.json and weights, a model folder, or a file; also a tiny autoencoder.</param>
    /// <exception cref="CheckpointException">It is none, or one whose latents are of another size.</exception>
    public void UseVae(string path) => (Vae, sources[(int)Component.Vae]) = OtherVae(path);

    /// <summary>Takes another autoencoder for previews.</summary>
    /// <param name="path">As <see cref="UseVae"/> takes it.</param>
    /// <exception cref="CheckpointException">It is none, or one whose latents are of another size.</exception>
    public void UsePreviewVae(string path) => Preview = OtherVae(path);

    (VaeConfig Config, IWeightSource Source) OtherVae(string path)
    {
        (VaeConfig config, IWeightSource source) = LoneVae.Open(path, LoneVae.Usual(), files);
        if (config.LatentChannels != Vae.LatentChannels || config.Scale != Vae.Scale)
        {
            throw new CheckpointException($"{path}: its latents have {config.LatentChannels} channels at 1/{config.Scale} of the size, "
                + $"{Origin} has {Vae.LatentChannels} at 1/{Vae.Scale}");
        }

        return (config, source);
    }

    /// <summary>
    /// This model with more input channels, of which the new ones count nothing yet: it computes what it computed, whatever mask and clean
    /// image are. It shares this one's files, and is closed with it.
    /// </summary>
    /// <param name="channels">9 for a U-Net of 4: mask, noisy and clean latent.</param>
    /// <exception cref="CheckpointException">The U-Net cannot get so many.</exception>
    public Checkpoint Widened(int channels)
    {
        if (UNet.InputLayout != InputLayout.Noisy || channels != 2 * UNet.OutChannels + 1)
        {
            throw new CheckpointException($"{Origin}: {UNet.InChannels} input channels cannot become {channels}; "
                + $"{UNet.OutChannels} can become {2 * UNet.OutChannels + 1}");
        }

        JsonObject json = JsonNode.Parse(PythonJson.Standard(Configs[UNetFile]))!.AsObject();
        json["in_channels"] = channels;
        json["input_layout"] = "mask,noisy,clean";
        var wide = (Checkpoint)MemberwiseClone();
        wide.UNet = UNet with { InChannels = channels, InputLayout = InputLayout.MaskNoisyClean };
        wide.Configs = new Dictionary<string, string>(Configs) { [UNetFile] = json.ToJsonString() };
        wide.sources = [.. sources];
        wide.sources[(int)Component.UNet] = new WideInputSource(Source(Component.UNet), UNet.InChannels, channels);
        return wide;
    }

    /// <summary>
    /// Merges a LoRA file into the weights that are loaded from now on, multiplied by <paramref name="factor"/>.
    /// </summary>
    /// <exception cref="CheckpointException">It fits no weight, or weights of other sizes.</exception>
    public void AddLora(string path, double factor)
    {
        var shapes = new Dictionary<Component, Dictionary<string, Shape>>();
        var modules = new Dictionary<Component, Dictionary<string, string>>();
        var lora = LoraFile.Open(path, Modules, (component, name) =>
            Shapes(component).TryGetValue(name, out Shape shape) ? [.. shape] : null);
        doubts.AddRange(lora.Doubts);
        foreach (Component component in lora.Components)
        {
            sources[(int)component] = new LoraSource(sources[(int)component], component, lora, factor);
        }

        Dictionary<string, Shape> Shapes(Component component)
        {
            if (!shapes.TryGetValue(component, out Dictionary<string, Shape>? all))
            {
                shapes.Add(component, all = Weights(component).ToDictionary(weight => weight.Name, weight => weight.Shape));
            }

            return all;
        }

        // By the plain name of the module in the folder form and in the single-file form.
        Dictionary<string, string> Modules(Component component)
        {
            if (modules.TryGetValue(component, out Dictionary<string, string>? all))
            {
                return all;
            }

            modules.Add(component, all = []);
            foreach (string name in Shapes(component).Keys)
            {
                string file = KeyMap.ToFile(component, name, UNet, Vae)[KeyMap.Prefix(component).Length..];
                string module = name[..name.LastIndexOf('.')];
                all[LoraNames.Plain(module)] = module;
                all[LoraNames.Plain(file[..file.LastIndexOf('.')])] = module;
            }

            return all;
        }
    }

    /// <summary>Every weight that a component's network takes, in the network's order: reads no numbers.</summary>
    /// <exception cref="WeightException">One is missing or has another shape than the config wants.</exception>
    public IReadOnlyList<StoredWeight> Weights(Component component)
    {
        var found = new List<StoredWeight>();
        foreach ((string name, Shape wanted) in StateDict(component))
        {
            sources[(int)component].TryFind(name, wanted, out _, out DType type);
            found.Add(new StoredWeight(name, wanted, sources[(int)component].Kept(name, wanted, type)));
        }

        return found;
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => files.ForEach(file => file.Dispose());

    internal static IWeightSource[] EachComponent(Func<Component, IWeightSource> source) =>
        [source(Component.UNet), source(Component.Vae), source(Component.TextEncoder)];

    /// <summary>Builds a component's network on weights that only look at names and shapes, and so checks the checkpoint.</summary>
    IReadOnlyList<(string Name, Shape Shape)> StateDict(Component component)
    {
        var shapes = new ShapeSource(sources[(int)component]);
        using var device = new PlanDevice(null);
        var weights = new Weights(device, shapes);
        switch (component)
        {
            case Component.UNet:
                _ = new UNet(weights, UNet);
                break;
            case Component.Vae:
                _ = ImageEncoder.Of(weights, Vae);
                _ = ImageDecoder.Of(weights, Vae);
                break;
            default:
                _ = new ClipText(weights, Text);
                break;
        }

        return [.. weights.Asked.Select(parameter => (parameter.Name, shapes.Wanted[parameter.Name]))];
    }

    ConfigReader? Reader(string file) => Configs.TryGetValue(file, out string? text) ? ConfigReader.Parse(text, $"{Origin}/{file}") : null;
}
