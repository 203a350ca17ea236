namespace JeDi.Tensors;

public sealed partial class Ops
{
    /// <summary>softmax(q k^T / sqrt(d) + bias) v within sets of images: q [Bq, Lq, C], k, v [Bk, Lk, C] -> [Bq, Lq, C].</summary>
    public Tensor Attention(
        Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets = default, Tensor bias = default, bool causal = false,
        Tensor into = default)
    {
        CheckAttention(q, k, heads, sets, bias);
        Check(v.Shape == k.Shape, $"k {k.Shape} against v {v.Shape}");
        Check(!causal || (!sets.Keys.Exists && q.Shape[1] == k.Shape[1]), $"causal attention couples no images: q {q.Shape}, k {k.Shape}");
        Tensor y = Result(into, q.Shape, q.DType);
        if (Tape is null)
        {
            Kernels.Attention(y, q, k, v, heads, sets, bias, causal);
        }
        else
        {
            Attention(Tape, y, q, k, v, heads, sets, bias, causal);
        }

        return y;
    }

    void Attention(
        Tape tape, Tensor y, Tensor q, Tensor k, Tensor v, int heads, AttentionSets sets, Tensor bias, bool causal)
    {
        Check(q.Address != k.Address && k.Address != v.Address && q.Address != v.Address, $"the gradients of q, k and v are separate ones");
        bool learns = tape.Tracks(q) || tape.Tracks(k) || tape.Tracks(v) || tape.Tracks(bias);
        Tensor logSumExp = learns ? New([q.Shape[0], heads, q.Shape[1]]) : default;
        tape.Run(() => Kernels.Attention(y, q, k, v, heads, sets, bias, causal, logSumExp));
        if (learns)
        {
            tape.Note(y, dy =>
            {
                (Tensor dq, Tensor dk, Tensor dv) = tape.Take(q, k, v, out bool add);
                Tensor dbias = tape.TakeSum(bias);
                tape.Run(() => tape.Gradients.Attention(
                    dq, dk, dv, dbias, dy, q, k, v, y, logSumExp, heads, sets, bias, causal, add));
            });
        }
    }

    /// <summary>Head-averaged attention probabilities of one set: [Bq*Lq, Bk*Lk].</summary>
    public Tensor AttentionMap(Tensor q, Tensor k, int heads, Tensor bias = default, Tensor into = default)
    {
        Check(q.Shape.Rank == 3 && k.Shape.Rank == 3 && q.Shape[2] == k.Shape[2] && q.Shape[2] % heads == 0,
            $"q {q.Shape}, k {k.Shape}, {heads} heads");
        Tensor map = Result(into, [q.Shape[0] * q.Shape[1], k.Shape[0] * k.Shape[1]], DType.F32);
        Kernels.AttentionMap(map, q, k, heads, bias);
        return map;
    }

    static void CheckAttention(Tensor q, Tensor k, int heads, AttentionSets sets, Tensor bias)
    {
        Check(q.Shape.Rank == 3 && k.Shape.Rank == 3 && q.Shape[2] == k.Shape[2] && q.Shape[2] % heads == 0,
            $"q {q.Shape}, k {k.Shape}, {heads} heads");
        Check(sets.Queries.Exists == sets.Keys.Exists, $"sets need both bounds: queries {sets.Queries}, keys {sets.Keys}");
        Check(sets.Keys.Exists || q.Shape[0] == k.Shape[0], $"without sets every image attends to itself: q {q.Shape}, k {k.Shape}");
        Check(!sets.Keys.Exists || sets.Keys.Shape == sets.Queries.Shape, $"queries {sets.Queries} against keys {sets.Keys}");
        bool perImage = bias.Exists && bias.Count == k.Shape[0];
        bool perKey = bias.Exists && bias.Count == (long)k.Shape[0] * k.Shape[1];
        Check(!bias.Exists || perImage || perKey, $"bias {bias.Shape} against k {k.Shape}");
    }
}
