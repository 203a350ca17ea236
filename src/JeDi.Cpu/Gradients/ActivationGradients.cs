using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
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
            long first = (long)index * BlockFloats;
            int block = (int)Math.Min(count - first, BlockFloats);
            int whole = block / V.Width * V.Width;
            Slopes(p + first, dy + first, whole);
            int left = block - whole;
            if (left > 0)
            {
                // The end in a register of its own: the loop then has one body, which the compiler inlines as a whole.
                float* end = stackalloc float[2 * V.Width];
                Take(p + first + whole, left).Store(end);
                Take(dy + first + whole, left).Store(end + V.Width);
                Slopes(end, end + V.Width, V.Width);
                Put(p + first + whole, V.Load(end), left);
            }
        }

        /// <summary>Of whole registers.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Slopes(float* p, float* dy, int count)
        {
            for (int i = 0; i < count; i += V.Width)
            {
                (V.Load(dy + i) * A.Of(V.Load(p + i))).Store(p + i);
            }
        }
    }

    /// <summary>
    /// A block is some rows [h, g]: dh = dy gelu(g), dg = dy h gelu'(g). Error function and density take a loop each: a body with both is
    /// more than the compiler inlines.
    /// </summary>
    readonly struct GegluGradientJob(float* p, float* dy, long rows, int width, int rowsPerBlock) : IJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int index, Worker worker)
        {
            int whole = width / V.Width * V.Width;
            int left = width - whole;
            float* phi = worker.Scratch(whole + 4L * V.Width);
            float* end = phi + whole + V.Width;
            long first = (long)index * rowsPerBlock;
            long last = Math.Min(rows, first + rowsPerBlock);
            for (long row = first; row < last; row++)
            {
                float* h = p + 2 * row * width;
                float* from = dy + row * width;
                Shares(phi, h + width, whole);
                Slopes(h, h + width, from, phi, whole);
                if (left > 0)
                {
                    Take(h + whole, left).Store(end);
                    Take(h + width + whole, left).Store(end + V.Width);
                    Take(from + whole, left).Store(end + 2 * V.Width);
                    Shares(phi, end + V.Width, V.Width);
                    Slopes(end, end + V.Width, end + 2 * V.Width, phi, V.Width);
                    Put(h + whole, V.Load(end), left);
                    Put(h + width + whole, V.Load(end + V.Width), left);
                }
            }
        }

        /// <summary>Phi(g) of whole registers.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Shares(float* phi, float* g, int count)
        {
            for (int i = 0; i < count; i += V.Width)
            {
                GeluSlope.Phi(V.Load(g + i)).Store(phi + i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Slopes(float* h, float* g, float* dy, float* phi, int count)
        {
            for (int i = 0; i < count; i += V.Width)
            {
                V gate = V.Load(g + i);
                V share = V.Load(phi + i);
                V d = V.Load(dy + i);
                (d * V.Load(h + i) * GeluSlope.Of(gate, share)).Store(g + i);
                (d * (gate * share)).Store(h + i);
            }
        }
    }
}
