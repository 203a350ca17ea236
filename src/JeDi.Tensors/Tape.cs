namespace JeDi.Tensors;

/// <summary>
/// A training step as it was recorded: what <see cref="Ops"/> computed, in order, then its gradients. <see cref="Ops"/> notes for each
/// kernel call how the gradient goes back through it; <see cref="Backward"/> follows the notes from the losses to the inputs. Both run at
/// once and are kept as one list of calls, which <see cref="Replay"/> repeats in the same memory, without allocating.
/// </summary>
/// <remarks>
/// Tensors are known by their place in memory: with a tape nothing is overwritten and no scope frees anything, so a reshaped tensor, or a
/// parameter used as one, keeps its identity. A gradient lives from its first contribution to the call that takes it further.
/// </remarks>
/// <param name="device">Where the step is computed.</param>
/// <param name="parameters">Those with a gradient learn. Their gradients are added to.</param>
/// <param name="gradients">A decorator around the device's; null: these.</param>
public sealed class Tape(Device device, IEnumerable<Parameter> parameters, Gradients? gradients = null)
{
    readonly GradientPool pool = new(device);
    readonly Dictionary<nint, Tensor> ofParameters = parameters.Where(parameter => parameter.Gradient.Exists)
        .ToDictionary(parameter => parameter.Value.Address, parameter => parameter.Gradient);

    readonly Dictionary<nint, Tensor> known = [];
    readonly List<nint> tracked = [];
    readonly HashSet<nint> trackedSet = [];
    readonly List<(Tensor Result, Action<Tensor> Backward)> notes = [];
    readonly List<Action> steps = [];
    bool passedOn;

    /// <summary>The backward seam.</summary>
    public Gradients Gradients { get; } = gradients ?? device.Gradients;

    /// <summary>Bytes that the gradients of activations take.</summary>
    public long GradientBytes => pool.Bytes;

    /// <summary>Computes the gradients of everything recorded so far; the losses have put theirs where they begin.</summary>
    public void Backward()
    {
        Unwind(0);
        known.Clear();
        tracked.Clear();
        trackedSet.Clear();
    }

    /// <summary>Repeats everything: values that were written into the same tensors meanwhile are computed with.</summary>
    public void Replay()
    {
        for (int i = 0; i < steps.Count; i++)
        {
            steps[i]();
        }
    }

    /// <summary>Gives the memory of gradients back; the tape cannot be replayed then.</summary>
    public void Release()
    {
        steps.Clear();
        pool.Release();
    }

    /// <summary>Runs a call now and at each replay.</summary>
    internal void Run(Action step)
    {
        step();
        steps.Add(step);
    }

    /// <summary>Whether a gradient with respect to x is wanted.</summary>
    internal bool Tracks(Tensor x) => x.Exists && (trackedSet.Contains(x.Address) || ofParameters.ContainsKey(x.Address));

    /// <summary>Notes how the gradient of <paramref name="result"/> goes back.</summary>
    internal void Note(Tensor result, Action<Tensor> backward)
    {
        notes.Add((result, backward));
        if (trackedSet.Add(result.Address))
        {
            tracked.Add(result.Address);
        }
    }

    /// <summary>Where a call writes the gradient of x; absent if none is wanted.</summary>
    /// <param name="add">There is one already: the call adds to it.</param>
    internal Tensor Take(Tensor x, out bool add)
    {
        add = Has(x);
        return Take(x, add);
    }

    /// <summary>The same for three inputs of a call, which assigns or adds to all alike.</summary>
    internal (Tensor A, Tensor B, Tensor C) Take(Tensor a, Tensor b, Tensor c, out bool add)
    {
        add = Has(a) || Has(b) || Has(c);
        return (Take(a, add), Take(b, add), Take(c, add));
    }

    /// <summary>For a call that adds: zero where there is none yet.</summary>
    internal Tensor TakeSum(Tensor x) => Take(x, add: true);

    /// <summary>Adds the gradient dy of a result to that of x: a residual. The tensor itself goes on where x has none yet.</summary>
    internal void Pass(Tensor x, Tensor dy)
    {
        if (!Tracks(x))
        {
            return;
        }

        if (Has(x))
        {
            Tensor dx = Take(x, add: true);
            Run(() => Gradients.Add(dx, default, dy.Reshape(dx.Shape), add: true));
        }
        else
        {
            known[x.Address] = dy;
            passedOn = true;
        }
    }

    /// <summary>Computes and forgets how: true if a gradient with respect to the result is wanted.</summary>
    internal bool Forget(Func<Tensor> compute)
    {
        int firstNote = notes.Count;
        int firstTracked = tracked.Count;
        bool wanted = Tracks(compute());
        notes.RemoveRange(firstNote, notes.Count - firstNote);
        Untrack(firstTracked);
        return wanted;
    }

    /// <summary>Computes again what was forgotten, and takes the gradient <paramref name="dy"/> of its result back through it.</summary>
    internal void Again(Func<Tensor> compute, Tensor dy)
    {
        int firstNote = notes.Count;
        int firstTracked = tracked.Count;
        Tensor result = compute();
        known[result.Address] = dy;
        Unwind(firstNote);
        Untrack(firstTracked);
        passedOn = true;
    }

    bool Has(Tensor x) => x.Exists && (ofParameters.ContainsKey(x.Address) || known.ContainsKey(x.Address));

    Tensor Take(Tensor x, bool add)
    {
        if (!Tracks(x))
        {
            return default;
        }

        if (ofParameters.TryGetValue(x.Address, out Tensor gradient) || known.TryGetValue(x.Address, out gradient))
        {
            return gradient.Reshape(x.Shape);
        }

        Tensor dx = pool.Rent(x.Shape);
        known.Add(x.Address, dx);
        if (add)
        {
            Run(() => device.Fill(dx, 0));
        }

        return dx;
    }

    void Unwind(int first)
    {
        while (notes.Count > first)
        {
            (Tensor result, Action<Tensor> backward) = notes[^1];
            notes.RemoveAt(notes.Count - 1);
            if (!known.Remove(result.Address, out Tensor dy))
            {
                continue;
            }

            passedOn = false;
            backward(dy.Reshape(result.Shape));
            if (!passedOn)
            {
                pool.Return(dy);
            }
        }
    }

    void Untrack(int first)
    {
        for (int i = first; i < tracked.Count; i++)
        {
            trackedSet.Remove(tracked[i]);
        }

        tracked.RemoveRange(first, tracked.Count - first);
    }
}
