using JeDi.Files;
using JeDi.Tensors;

namespace JeDi.Models;

/// <summary>
/// Random initial weights of a network that is to be trained, drawn as PyTorch's layers draw them: matrices, filters and their biases
/// uniform within 1 / sqrt(fan in), embeddings of deviation 0.02, norms 1 and 0. The same seed gives the same numbers on any machine.
/// </summary>
public sealed class RandomSource(ulong seed) : IWeightSource
{
    readonly Dictionary<string, long> fanIn = [];

    public string Origin => $"random weights of seed {seed}";

    public bool TryFind(string name, Shape wanted, out Shape stored, out DType type)
    {
        stored = wanted;
        type = DType.F32;
        if (wanted.Rank > 1)
        {
            fanIn[Layer(name)] = wanted.Count / Math.Max(1, wanted[0]);
        }

        return true;
    }

    public void Read(string name, Shape stored, Span<byte> destination)
    {
        bool bias = name.EndsWith("bias", StringComparison.Ordinal);
        bool embedding = name.Contains("embeddings.", StringComparison.Ordinal)
            && !name.Contains("patch_embedding", StringComparison.Ordinal);
        (double scale, double offset) =
            embedding ? (0.02 * Recipe.UnitVariance, 0.0)
            : fanIn.TryGetValue(Layer(name), out long inputs) ? (1 / Math.Sqrt(inputs), 0.0)
            : (0.0, bias ? 0.0 : 1.0);
        var values = new float[stored.Count];
        Recipe.Fill($"{seed}:{name}", values, scale, offset);
        Numbers.FromFloat(values, DType.F32, destination);
    }

    static string Layer(string name) => name[..(name.LastIndexOf('.') + 1)];
}
