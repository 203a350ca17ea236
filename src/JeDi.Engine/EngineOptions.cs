using JeDi.Tensors;

namespace JeDi;

/// <summary>How a model is loaded and what it runs on. The defaults are right for most.</summary>
public sealed record EngineOptions
{
    const int MostThreads = 1024;

    /// <summary>
    /// <c>auto</c> (the best there is), <c>cpu</c>, <c>cuda</c> or <c>cuda:i</c>, or <c>sim</c>, the simulator of a GPU.
    /// </summary>
    public string Device { get; init; } = "auto";

    /// <summary>
    /// Element type of the computation: <c>auto</c>, <c>f16</c>, <c>bf16</c> or <c>f32</c>. The CPU computes in F32; on a GPU auto is F16,
    /// and BF16 for the autoencoder, whatever the file holds.
    /// </summary>
    public string DType { get; init; } = "auto";

    /// <summary>CPU threads; 0 = all cores. The pictures do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// 3x3 convolutions of large maps by Winograd's algorithm: about twice as fast for the whole network. Off: the pictures differ by
    /// rounding.
    /// </summary>
    public bool Winograd { get; init; } = true;

    /// <summary>
    /// Most bytes that may be spent on keeping what can be made again: filters, transformed for Winograd's algorithm. They save a few
    /// percent of the time and change no bit.
    /// </summary>
    public long KeptFilterBytes { get; init; }

    /// <summary>Element type that matrices, filters and tables are kept in; null: that of the files.</summary>
    public DType? Weights { get; init; }

    /// <summary>
    /// One network at a time is in memory, and each phase's temporaries are given back at its end. For one session at a time.
    /// </summary>
    public bool LowMemory { get; init; }

    /// <summary>LoRA files merged into the weights, each with its factor.</summary>
    public IReadOnlyList<LoraFile> Loras { get; init; } = [];

    /// <summary>Words that the text encoder learns from files (textual inversion).</summary>
    public IReadOnlyList<Embedding> Embeddings { get; init; } = [];

    /// <summary>Autoencoder instead of the model's own: a folder or a safetensors file, also a tiny one; null: the model's.</summary>
    public string? Vae { get; init; }

    /// <summary>
    /// Autoencoder that decodes previews, as a rule a tiny one, which takes a small part of the time; null: that of pictures.
    /// </summary>
    public string? PreviewVae { get; init; }

    /// <summary>Folder with vocab.json and merges.txt; null: the model's own, or the CLIP vocabulary that ships.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Says what no machine and no model could take; what is not there shows when a model is loaded.</summary>
    /// <exception cref="ArgumentException">Something is null or impossible: names the property.</exception>
    public void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Device, nameof(Device));
        ArgumentException.ThrowIfNullOrEmpty(DType, nameof(DType));
        Arguments.Between(Threads, 0, MostThreads, nameof(Threads));
        Arguments.AtLeast(KeptFilterBytes, 0, nameof(KeptFilterBytes));
        Arguments.NotEmpty(Vae, nameof(Vae));
        Arguments.NotEmpty(Tokenizer, nameof(Tokenizer));
        Arguments.NoNulls(Loras, nameof(Loras));
        Arguments.NoNulls(Embeddings, nameof(Embeddings));
        if (Weights is { } weights)
        {
            Arguments.Defined(weights, nameof(Weights));
        }

        foreach (LoraFile lora in Loras)
        {
            ArgumentException.ThrowIfNullOrEmpty(lora.Path, nameof(Loras));
            Arguments.Finite(lora.Weight, nameof(Loras));
        }

        foreach (Embedding embedding in Embeddings)
        {
            ArgumentException.ThrowIfNullOrEmpty(embedding.Path, nameof(Embeddings));
        }
    }
}

/// <summary>A LoRA file and the factor of its change.</summary>
public sealed record LoraFile(string Path, double Weight = 1);

/// <summary>A file of learned vectors and the word that stands for them in prompts; null: the file's own word, or its name.</summary>
public sealed record Embedding(string Path, string? Word = null);
