namespace JeDi.Tensors;

/// <summary>The ways back of the element-wise operations. Through those that make the inputs of a network there is none.</summary>
public sealed partial class Ops
{
    void Add(Tape tape, Tensor y, Tensor a, Tensor b)
    {
        tape.Run(() => Kernels.Add(y, a, b));
        if (tape.Tracks(a) || tape.Tracks(b))
        {
            tape.Note(y, dy =>
            {
                Tensor db = tape.Take(b, out bool add);
                if (db.Exists)
                {
                    tape.Run(() => tape.Gradients.Add(default, db, dy, add));
                }

                tape.Pass(a, dy);
            });
        }
    }

    void Concat(Tape tape, Tensor y, Tensor a, Tensor b)
    {
        Check(a.Address != b.Address, $"the gradients of both parts are separate ones");
        tape.Run(() => Kernels.Concat(y, a, b));
        if (tape.Tracks(a) || tape.Tracks(b))
        {
            tape.Note(y, dy =>
            {
                (Tensor da, Tensor db, _) = tape.Take(a, b, default, out bool add);
                tape.Run(() => tape.Gradients.Concat(da, db, dy, add));
            });
        }
    }

    void Embed(Tape tape, Tensor y, Tensor table, Tensor ids)
    {
        tape.Run(() => Kernels.Embed(y, table, ids));
        if (tape.Tracks(table))
        {
            tape.Note(y, dy =>
            {
                Tensor dtable = tape.TakeSum(table);
                tape.Run(() => tape.Gradients.Embed(dtable, dy, ids));
            });
        }
    }

    void Blend(Tape tape, Tensor y, Tensor mask, Tensor a, Tensor b)
    {
        Check(a.Address != b.Address, $"the gradients of both parts are separate ones");
        tape.Run(() => Kernels.Blend(y, mask, a, b));
        if (tape.Tracks(a) || tape.Tracks(b))
        {
            tape.Note(y, dy =>
            {
                (Tensor da, Tensor db, _) = tape.Take(a, b, default, out bool add);
                tape.Run(() => tape.Gradients.Blend(da, db, dy, mask, add));
            });
        }
    }

    /// <summary>Each part has a gradient of its own, if any: what goes back first is assigned, the other added.</summary>
    void SplitMoments(Tape tape, Tensor mean, Tensor logVariance, Tensor moments)
    {
        tape.Run(() => Kernels.SplitMoments(mean, logVariance, moments));
        if (tape.Tracks(moments))
        {
            tape.Note(mean, dmean =>
            {
                Tensor dmoments = tape.Take(moments, out bool add);
                tape.Run(() => tape.Gradients.SplitMoments(dmoments, dmean, default, moments, add));
            });
            tape.Note(logVariance, dlogVariance =>
            {
                Tensor dmoments = tape.Take(moments, out bool add);
                tape.Run(() => tape.Gradients.SplitMoments(dmoments, default, dlogVariance, moments, add));
            });
        }
    }

    void TimestepEmbedding(Tape tape, Tensor y, Tensor t) => tape.Run(() => Kernels.TimestepEmbedding(y, t));

    void PackInput(Tape tape, Tensor y, Tensor noisy, Tensor clean, Tensor mask, Tensor scale, InputLayout layout)
    {
        CheckConstant(tape, noisy, clean);
        tape.Run(() => Kernels.PackInput(y, noisy, clean, mask, scale, layout));
    }

    void Combine(Tape tape, Tensor into, Tensor c, Tensor[] x)
    {
        CheckConstant(tape, x);
        tape.Run(() => Kernels.Combine(into, c, x));
    }

    void Copy(Tape tape, Tensor into, Tensor x, float limit)
    {
        CheckConstant(tape, x);
        tape.Run(() => Kernels.Copy(into, x, limit));
    }

    static void CheckConstant(Tape tape, params ReadOnlySpan<Tensor> inputs)
    {
        foreach (Tensor x in inputs)
        {
            Check(!tape.Tracks(x), $"no gradient goes through {x} here");
        }
    }
}
