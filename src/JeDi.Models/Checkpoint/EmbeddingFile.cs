using JeDi.Files.Safetensors;

namespace JeDi.Models;

/// <summary>
/// Learned vectors of a word (textual inversion): <c>emb_params</c> [n, C] as the web UIs write it, or one tensor [C] or [n, C] under the
/// word's own name as diffusers does.
/// </summary>
sealed record EmbeddingFile(string Word, int Vectors, int Width, float[] Values)
{
    const string WebName = "emb_params";

    /// <param name="path">The file.</param>
    /// <param name="word">What it is called in prompts; null: the word in the file, else the file's name.</param>
    /// <exception cref="CheckpointException">It holds something else.</exception>
    public static EmbeddingFile Open(string path, string? word)
    {
        using var file = SafetensorsFile.Open(path);
        SafetensorsEntry[] entries = [.. file.Entries.Where(entry => entry.Shape.Length is 1 or 2 && Floats.Takes(entry.Type))];
        SafetensorsEntry? entry = entries.FirstOrDefault(candidate => candidate.Name == WebName)
            ?? (file.Entries.Count == 1 ? entries.FirstOrDefault() : null);
        if (entry is null || entry.Count is 0 or > 1 << 24)
        {
            LoraReport? lora = LoraReport.Of(file.Entries.Select(other => other.Name));
            string kind = lora is null ? "no embedding" : $"a file of {lora.Kinds}";
            throw new CheckpointException($"{path}: is {kind}; an embedding has '{WebName}' [n, width], or one tensor under its word");
        }

        string own = entry.Name == WebName ? Path.GetFileNameWithoutExtension(path) : entry.Name;
        string called = word ?? own;
        int width = (int)entry.Shape[^1];
        return called.Trim().Length == 0 || called.Any(char.IsWhiteSpace)
            ? throw new CheckpointException($"{path}: '{called}' is no word; name one without blanks: FILE=WORD")
            : new EmbeddingFile(called, (int)(entry.Count / width), width, file.ReadFloats(entry));
    }
}
