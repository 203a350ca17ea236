using System.Numerics.Tensors;
using JeDi.Files.Tokenizer;

namespace JeDi;

/// <summary>From texts to ids and weights, in chunks of 75 tokens with a start and an end each, and to the encoder's states.</summary>
sealed class PromptEncoder(ClipTokenizer tokenizer, int width)
{
    const int Inside = ClipTokenizer.Length - 2;

    /// <summary>Chunks that a text takes; a plain one is cut to one.</summary>
    public int Chunks(string text, PromptSyntax syntax) => syntax == PromptSyntax.Plain ? 1 : Cut(text).Count;

    /// <summary>Writes the states [77, C] of 77 ids.</summary>
    public delegate void TextEncoding(ReadOnlySpan<int> ids, Span<float> states);

    /// <summary>Numbers of the states of a text.</summary>
    public int Count(int chunks) => chunks * ClipTokenizer.Length * width;

    /// <summary>
    /// States [chunks * 77, C]: each chunk encoded, every token's state multiplied by its weight, and the chunk's mean restored; empty
    /// chunks fill up to <paramref name="chunks"/>.
    /// </summary>
    /// <param name="text">Prompt.</param>
    /// <param name="syntax">How it is read.</param>
    /// <param name="chunks">As many as all texts of a request have.</param>
    /// <param name="encode">The text encoder.</param>
    /// <param name="states">Takes them.</param>
    public void Encode(string text, PromptSyntax syntax, int chunks, TextEncoding encode, Span<float> states)
    {
        List<(int[] Ids, float[] Weights)> parts = syntax == PromptSyntax.Plain ? [(tokenizer.Encode(text).Ids, [])] : Cut(text);
        int last = Math.Min(parts.Count, chunks);
        for (int i = 0; i < chunks; i++)
        {
            Span<float> to = states.Slice(i * ClipTokenizer.Length * width, ClipTokenizer.Length * width);
            if (i < last)
            {
                encode(parts[i].Ids, to);
                Weigh(to, parts[i].Weights);
            }
            else if (i == last)
            {
                encode(tokenizer.Encode("").Ids, to);
            }
            else
            {
                states.Slice(last * to.Length, to.Length).CopyTo(to);
            }
        }
    }

    void Weigh(Span<float> states, float[] weights)
    {
        if (weights.All(weight => weight == 1))
        {
            return;
        }

        double before = Mean(states);
        for (int token = 0; token < weights.Length; token++)
        {
            Span<float> state = states.Slice(token * width, width);
            TensorPrimitives.Multiply(state, weights[token], state);
        }

        double after = Mean(states);
        if (after != 0)
        {
            TensorPrimitives.Multiply(states, (float)(before / after), states);
        }
    }

    static double Mean(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += value;
        }

        return sum / values.Length;
    }

    List<(int[] Ids, float[] Weights)> Cut(string text)
    {
        (int start, int end, int padding) = tokenizer.Frame;
        (int Id, float Weight)[] tokens = [.. PromptWeights.Parse(text).SelectMany(part =>
            tokenizer.Tokens(part.Text).SelectMany(word => word.Ids).Select(id => (id, part.Weight)))];
        var chunks = new List<(int[], float[])>();
        for (int first = 0; first == 0 || first < tokens.Length; first += Inside)
        {
            (int Id, float Weight)[] inside = [.. tokens.Skip(first).Take(Inside)];
            IEnumerable<int> ids = [start, .. inside.Select(token => token.Id), end];
            int[] whole = [.. ids, .. Enumerable.Repeat(padding, Inside - inside.Length)];
            chunks.Add((whole, [1, .. inside.Select(token => token.Weight), .. Enumerable.Repeat(1f, Inside - inside.Length + 1)]));
        }

        return chunks;
    }
}
