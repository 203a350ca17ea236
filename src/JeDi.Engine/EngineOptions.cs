namespace JeDi;

/// <summary>How a model is loaded and what it runs on. The defaults are right for most.</summary>
public sealed record EngineOptions
{
    /// <summary><c>auto</c> (the best there is), <c>cpu</c>, <c>cuda</c> or <c>cuda:i</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>CPU threads; 0 = all cores. The pictures do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// 3x3 convolutions of large maps by Winograd's algorithm: about twice as fast for the whole network, and the filters that it
    /// transforms take four times their memory. Off saves that memory; the pictures differ by rounding.
    /// </summary>
    public bool Winograd { get; init; } = true;

    /// <summary>LoRA files merged into the weights, each with its factor.</summary>
    public IReadOnlyList<LoraFile> Loras { get; init; } = [];

    /// <summary>Words that the text encoder learns from files (textual inversion).</summary>
    public IReadOnlyList<Embedding> Embeddings { get; init; } = [];

    /// <summary>Autoencoder instead of the model's own: a folder or a safetensors file; null: the model's.</summary>
    public string? Vae { get; init; }

    /// <summary>Folder with vocab.json and merges.txt; null: the model's own, or the CLIP vocabulary that ships.</summary>
    public string? Tokenizer { get; init; }
}

/// <summary>A LoRA file and the factor of its change.</summary>
public sealed record LoraFile(string Path, double Weight = 1);

/// <summary>A file of learned vectors and the word that stands for them in prompts; null: the file's own word, or its name.</summary>
public sealed record Embedding(string Path, string? Word = null);
