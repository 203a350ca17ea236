using System.Runtime.CompilerServices;
using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>Tells what <see cref="Device.GradientScratchBytes"/> wants to know, whatever the register type.</summary>
interface IGradientScratch
{
    long ScratchBytes(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight);
}

/// <summary>
/// Every backward operation on the CPU, compiled for one register type like <see cref="CpuKernels{V}"/>. Forms of weights that only a
/// backward operation reads (transposed, turned, transformed) are made in scratch memory at each call: a weight changes after every
/// step, and making a form costs a fraction of the product that reads it. Several sessions may call at once: their calls take turns.
/// </summary>
/// <param name="threads">Where the work runs.</param>
/// <param name="winograd">Use Winograd's algorithm where it is faster.</param>
sealed unsafe partial class CpuGradients<V>(Threads threads, bool winograd) : Gradients, IGradientScratch, IDisposable
    where V : unmanaged, ISimd<V>
{
    // As in CpuKernels.
    const int BlockFloats = 16 * 1024;

    /// <summary>Columns of a block of a column sum: whole cache lines, short enough to share the work.</summary>
    const int ColumnBlock = 64;

    readonly Threads threads = threads;
    readonly bool winograd = winograd;

    /// <summary>Held by an operation while it uses <see cref="Shared"/>.</summary>
    readonly Lock gate = new();
    NativeBuffer shared;

    public void Dispose() => shared.Free();

    /// <summary>
    /// Memory for <paramref name="floats"/> floats that all threads of a call share, 64-byte aligned, contents undefined; one area, for the
    /// holder of <see cref="gate"/>. It grows to the largest request, so that a repeated step allocates nothing.
    /// </summary>
    float* Shared(long floats)
    {
        if (shared.Bytes < floats * sizeof(float))
        {
            shared.Free();
            shared = NativeBuffer.Allocate(floats * sizeof(float));
        }

        return (float*)shared.Address;
    }

    /// <summary>The floats of a tensor; null for an absent one.</summary>
    static float* Floats(Tensor tensor) => (float*)tensor.Address;

    /// <summary>Rounded up to whole cache lines.</summary>
    static long Aligned(long floats) => (floats + 15) / 16 * 16;

    /// <summary>The first <paramref name="count"/> lanes; a whole register where that many are left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Take(float* source, int count) => count >= V.Width ? V.Load(source) : V.LoadPartial(source, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Put(float* target, V value, int count)
    {
        if (count >= V.Width)
        {
            value.Store(target);
        }
        else
        {
            value.StorePartial(target, count);
        }
    }

    /// <summary>
    /// Column sums of each image, sums [images, columns], and total [columns] += those sums in the order of the images.
    /// </summary>
    /// <param name="x">[images, rows, columns].</param>
    /// <param name="sums">Room for the sums of the images.</param>
    /// <param name="total">Null: not wanted.</param>
    void ColumnSums(float* x, int images, int rows, int columns, float* sums, float* total)
    {
        int blocks = Partition.Pieces(columns, ColumnBlock);
        threads.Run(images * blocks, new ColumnSumJob(x, rows, columns, blocks, sums));
        if (total != null)
        {
            threads.Run(blocks, new SumOfImagesJob(sums, images, columns, columns, total));
        }
    }

    /// <summary>A block is some columns of an image.</summary>
    readonly struct ColumnSumJob(float* x, int rows, int columns, int blocks, float* sums) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int image = index / blocks;
            int first = index % blocks * ColumnBlock;
            int end = Math.Min(columns, first + ColumnBlock);
            float* from = x + (long)image * rows * columns;
            float* to = sums + (long)image * columns;
            int c = first;
            for (; c <= end - 4 * V.Width; c += 4 * V.Width)
            {
                Sum4(from + c, to + c);
            }

            for (; c < end; c += V.Width)
            {
                int count = Math.Min(V.Width, end - c);
                Sum(from + c, count).StorePartial(to + c, count);
            }
        }

        /// <summary>The same of four registers side by side: neighbours in memory are read together.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void Sum4(float* from, float* to)
        {
            V a0 = V.Zero, a1 = V.Zero, a2 = V.Zero, a3 = V.Zero;
            V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero;
            V c0 = V.Zero, c1 = V.Zero, c2 = V.Zero, c3 = V.Zero;
            V d0 = V.Zero, d1 = V.Zero, d2 = V.Zero, d3 = V.Zero;
            int row = 0;
            for (; row <= rows - 4; row += 4, from += 4L * columns)
            {
                Add(from, ref a0, ref a1, ref a2, ref a3);
                Add(from + columns, ref b0, ref b1, ref b2, ref b3);
                Add(from + 2L * columns, ref c0, ref c1, ref c2, ref c3);
                Add(from + 3L * columns, ref d0, ref d1, ref d2, ref d3);
            }

            for (; row < rows; row++, from += columns)
            {
                Add(from, ref a0, ref a1, ref a2, ref a3);
            }

            (a0 + b0 + (c0 + d0)).Store(to);
            (a1 + b1 + (c1 + d1)).Store(to + V.Width);
            (a2 + b2 + (c2 + d2)).Store(to + 2 * V.Width);
            (a3 + b3 + (c3 + d3)).Store(to + 3 * V.Width);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Add(float* from, ref V first, ref V second, ref V third, ref V fourth)
        {
            first += V.Load(from);
            second += V.Load(from + V.Width);
            third += V.Load(from + 2 * V.Width);
            fourth += V.Load(from + 3 * V.Width);
        }

        /// <summary>Four chains of every fourth row each.</summary>
        V Sum(float* from, int count)
        {
            V a = V.Zero;
            V b = V.Zero;
            V c = V.Zero;
            V d = V.Zero;
            int row = 0;
            if (count == V.Width)
            {
                for (; row <= rows - 4; row += 4, from += 4L * columns)
                {
                    a += V.Load(from);
                    b += V.Load(from + columns);
                    c += V.Load(from + 2L * columns);
                    d += V.Load(from + 3L * columns);
                }
            }

            for (; row < rows; row++, from += columns)
            {
                a += V.LoadPartial(from, count);
            }

            return a + b + (c + d);
        }
    }

    /// <summary>A block is some columns: total += the rows of sums, in order.</summary>
    readonly struct SumOfImagesJob(float* sums, int images, long pitch, int columns, float* total) : IJob
    {
        public void Run(int index, Worker worker)
        {
            int end = Math.Min(columns, (index + 1) * ColumnBlock);
            for (int c = index * ColumnBlock; c < end; c += V.Width)
            {
                int count = Math.Min(V.Width, end - c);
                V sum = Take(total + c, count);
                for (int image = 0; image < images; image++)
                {
                    sum += Take(sums + image * pitch + c, count);
                }

                Put(total + c, sum, count);
            }
        }
    }
}
