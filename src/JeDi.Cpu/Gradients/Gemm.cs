using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    public override void Gemm(
        Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Parameter w, Tensor preActivation, Activation activation, bool add)
    {
        int n = w.Shape[0];
        int k = checked((int)(w.Shape.Count / n));
        Tensor dp = dy;
        if (activation != Activation.None)
        {
            ActivationGradient(preActivation, dy, activation);
            dp = preActivation;
        }

        int rows = checked((int)(dp.Count / n));
        if (rows == 0)
        {
            return;
        }

        Product(Floats(dx), Floats(dw), Floats(dbias), Floats(dp), Floats(x), w, dy.Shape[0], rows, n, k, add);
    }

    /// <summary>Of a matrix product of <paramref name="rows"/> rows, which belong to <paramref name="images"/> images.</summary>
    void Product(
        float* dx, float* dw, float* dbias, float* dp, float* x, Parameter w, int images, int rows, int n, int k, bool add)
    {
        using Lock.Scope turn = gate.EnterScope();
        if (dx != null)
        {
            long panelFloats = BackProduct.PanelFloats<V>(n, k);
            float* panels = Shared(panelFloats + WeightValue.ScratchFloats(w));
            float* value = WeightValue.Find<V>(threads, w, panels + panelFloats);
            BackProduct.Pack<V>(threads, panels, value, n, k);
            BackProduct.Run<V>(threads, dx, dp, rows, n, k, panels, add);
        }

        if (dw != null)
        {
            OuterProduct.Run<V, MatrixRows>(threads, dw, dp, n, rows, n, new MatrixRows(x, k));
        }

        if (dbias != null)
        {
            ColumnSums(dp, images, rows / images, n, Shared((long)images * n), dbias);
        }
    }
}
