using System.Runtime.CompilerServices;
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

    public override void Activate(Tensor y, Tensor preActivation, Activation activation)
    {
        float* to = Floats(y);
        float* p = Floats(preActivation);
        if (activation == Activation.Geglu)
        {
            int width = y.Shape[-1];
            int rowsPerBlock = Math.Max(1, BlockFloats / (2 * width));
            long rows = y.Shape.RowCount;
            threads.Run(Partition.Pieces(rows, rowsPerBlock), new GegluJob(to, p, rows, width, rowsPerBlock));
            return;
        }

        int blocks = Partition.Pieces(y.Count, BlockFloats);
        switch (activation)
        {
            case Activation.Silu: threads.Run(blocks, new ActivateJob<Silu>(to, p, y.Count)); break;
            case Activation.Gelu: threads.Run(blocks, new ActivateJob<Gelu>(to, p, y.Count)); break;
            case Activation.QuickGelu: threads.Run(blocks, new ActivateJob<QuickGelu>(to, p, y.Count)); break;
            default: threads.Run(blocks, new ActivateJob<Identity>(to, p, y.Count)); break;
        }
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

    /// <summary>preActivation becomes dy act'(preActivation).</summary>
    void ActivationGradient(Tensor preActivation, Tensor dy, Activation activation)
    {
        float* p = Floats(preActivation);
        float* from = Floats(dy);
        if (activation == Activation.Geglu)
        {
            int width = dy.Shape[-1];
            int rowsPerBlock = Math.Max(1, BlockFloats / (2 * width));
            long rows = dy.Shape.RowCount;
            threads.Run(Partition.Pieces(rows, rowsPerBlock), new GegluGradientJob(p, from, rows, width, rowsPerBlock));
            return;
        }

        int blocks = Partition.Pieces(dy.Count, BlockFloats);
        switch (activation)
        {
            case Activation.Silu: threads.Run(blocks, new ActivationJob<SiluSlope>(p, from, dy.Count)); break;
            case Activation.Gelu: threads.Run(blocks, new ActivationJob<GeluSlope>(p, from, dy.Count)); break;
            default: threads.Run(blocks, new ActivationJob<QuickGeluSlope>(p, from, dy.Count)); break;
        }
    }

    /// <summary>A block is a run of elements.</summary>
    readonly struct ActivateJob<A>(float* y, float* p, long count) : IJob where A : struct, IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long end = Math.Min(count, (index + 1L) * BlockFloats);
            for (long i = (long)index * BlockFloats; i < end; i += V.Width)
            {
                int part = (int)Math.Min(V.Width, end - i);
                Put(y + i, A.Of(Take(p + i, part)), part);
            }
        }
    }

    /// <summary>A block is some rows [h, g]: y = h gelu(g).</summary>
    readonly struct GegluJob(float* y, float* p, long rows, int width, int rowsPerBlock) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long first = (long)index * rowsPerBlock;
            long end = Math.Min(rows, first + rowsPerBlock);
            for (long row = first; row < end; row++)
            {
                float* h = p + 2 * row * width;
                for (int i = 0; i < width; i += V.Width)
                {
                    int part = Math.Min(V.Width, width - i);
                    Put(y + row * width + i, Take(h + i, part) * SimdMath.Gelu(Take(h + width + i, part)), part);
                }
            }
        }
    }

    /// <summary>A block is a run of elements.</summary>
    readonly struct ActivationJob<A>(float* p, float* dy, long count) : IJob where A : struct, IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long i = (long)index * BlockFloats;
            long end = Math.Min(count, i + BlockFloats);
            for (; i <= end - V.Width; i += V.Width)
            {
                (V.Load(dy + i) * A.Of(V.Load(p + i))).Store(p + i);
            }

            int left = (int)(end - i);
            (V.LoadPartial(dy + i, left) * A.Of(V.LoadPartial(p + i, left))).StorePartial(p + i, left);
        }
    }

    /// <summary>A block is some rows [h, g]: dh = dy gelu(g), dg = dy h gelu'(g).</summary>
    readonly struct GegluGradientJob(float* p, float* dy, long rows, int width, int rowsPerBlock) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            long first = (long)index * rowsPerBlock;
            long end = Math.Min(rows, first + rowsPerBlock);
            for (long row = first; row < end; row++)
            {
                float* h = p + 2 * row * width;
                float* from = dy + row * width;
                for (int i = 0; i < width; i += V.Width)
                {
                    int part = Math.Min(V.Width, width - i);
                    V g = Take(h + width + i, part);
                    V d = Take(from + i, part);
                    V phi = GeluSlope.Phi(g);
                    V value = Take(h + i, part);
                    Put(h + width + i, d * value * GeluSlope.Of(g, phi), part);
                    Put(h + i, d * (g * phi), part);
                }
            }
        }
    }
}
