using JeDi.Tensors;

namespace JeDi.Cpu;

/// <summary>
/// Fills parameters: the work is cut into pieces of some rows, in the order of the files, that threads take in turn; each reads its rows,
/// converts them if need be, and writes them to their place in the panels, while they are in the cache.
/// </summary>
sealed unsafe class WeightLoader<V> where V : unmanaged, ISimd<V>
{
    // Large enough for the file system, small enough for the second-level cache.
    const int PieceBytes = 1 << 19;

    readonly List<Piece> pieces = [];
    volatile bool failed;

    /// <param name="kernels">Make the panels.</param>
    /// <param name="device">Gives the memory.</param>
    public WeightLoader(CpuKernels kernels, Device device, IReadOnlyList<WantedParameter> wanted)
    {
        long bytes = wanted.Where(NeedsPanels).Sum(one => PanelMemory.Room(PackedMatrix.ByteCount(
            one.Parameter.Kind, one.Parameter.Shape, one.Parameter.Stored, kernels.PanelWidth)));
        PanelMemory? room = bytes > 0 ? new PanelMemory(device, bytes) : null;
        foreach (WantedParameter one in wanted)
        {
            Add(kernels, device, room, one);
        }
    }

    /// <summary>Bytes to be read.</summary>
    public long Bytes { get; private set; }

    public void Run(Threads threads, CancellationToken stop) => threads.Run(pieces.Count, new Job(this, stop));

    /// <summary>Whether the value is kept as panels alone.</summary>
    static bool NeedsPanels(WantedParameter one) =>
        !one.Parameter.Value.Exists && one.Parameter.Kind is not (ParameterKind.Vector or ParameterKind.Plain or ParameterKind.Table);

    void Add(CpuKernels kernels, Device device, PanelMemory? room, WantedParameter one)
    {
        Parameter parameter = one.Parameter;
        long rowBytes = (long)one.Columns * one.Type.Size();
        Bytes += rowBytes * one.Rows;
        if (!NeedsPanels(one))
        {
            if (!parameter.Value.Exists)
            {
                DType type = parameter.Kind == ParameterKind.Table ? parameter.Stored : DType.F32;
                DeviceMemory memory = device.Allocate(parameter.Shape.Count * type.Size());
                parameter.Value = new Tensor(memory, 0, parameter.Shape, type);
            }

            Cut(one, null, one.Rows, (int)Math.Max(1, PieceBytes / Math.Max(1, rowBytes)));
            return;
        }

        var panels = new PackedMatrix(kernels, room!, parameter.Kind, parameter.Shape, parameter.Stored);
        parameter.Add(panels);
        Cut(one, panels, panels.Panels, (int)Math.Max(1, PieceBytes / (rowBytes * panels.PanelWidth)));
    }

    void Cut(WantedParameter one, PackedMatrix? panels, int count, int atOnce)
    {
        for (int first = 0; first < count; first += atOnce)
        {
            pieces.Add(new Piece(one, panels, first, Math.Min(atOnce, count - first)));
        }
    }

    /// <summary>Some rows of a plain value, or some panels.</summary>
    sealed record Piece(WantedParameter Wanted, PackedMatrix? Panels, int First, int Count)
    {
        DType Target => Panels?.Type ?? Wanted.Parameter.Value.DType;

        bool Converts => Wanted.Type != Target;

        public void Fill(Worker worker)
        {
            if (Panels is null)
            {
                FillPlain(worker);
            }
            else
            {
                FillPanels(worker, Panels);
            }
        }

        void FillPlain(Worker worker)
        {
            int columns = Wanted.Columns;
            int taps = Wanted.Taps;
            long count = (long)Count * columns;
            byte* target = (byte*)Wanted.Parameter.Value.Address + (long)First * columns * Target.Size();
            if (!Converts && taps == 1)
            {
                Wanted.Read(First, new Span<byte>(target, checked((int)(count * Target.Size()))));
                return;
            }

            byte* scratch = (byte*)worker.Scratch(2 * count);
            float* floats = (float*)scratch + count;
            Wanted.Read(First, new Span<byte>(scratch, checked((int)(count * Wanted.Type.Size()))));
            if (Target != DType.F32)
            {
                Widen.ToFloats<V>(floats, scratch, Wanted.Type, 0, (int)count);
                Narrow.FromFloats((ushort*)target, floats, Target, (int)count);
                return;
            }

            if (taps == 1)
            {
                Widen.ToFloats<V>((float*)target, scratch, Wanted.Type, 0, (int)count);
                return;
            }

            Widen.ToFloats<V>(floats, scratch, Wanted.Type, 0, (int)count);
            for (int row = 0; row < Count; row++)
            {
                Packing.Turn((float*)target + (long)row * columns, floats + (long)row * columns, columns, taps);
            }
        }

        void FillPanels(Worker worker, PackedMatrix panels)
        {
            int columns = Wanted.Columns;
            int width = panels.PanelWidth;
            int size = Target.Size();
            int first = First * panels.PanelColumns;
            int rows = Math.Min(panels.Columns, first + Count * panels.PanelColumns) - first;
            int parts = panels.Geglu ? 2 : 1;

            // Pointers, then the numbers as read, then converted (by way of floats).
            long numbers = (long)rows * parts * columns;
            byte** pointers = (byte**)worker.Scratch(width * 2 + 16 + numbers * (Converts ? 3 : 1));
            byte* read = (byte*)((float*)pointers + width * 2 + 16);
            for (int part = 0; part < parts; part++)
            {
                int bytes = checked(rows * columns * Wanted.Type.Size());
                Wanted.Read(part * panels.Columns + first, new Span<byte>(read + (long)part * bytes, bytes));
            }

            byte* source = read;
            if (Converts)
            {
                float* floats = (float*)read + numbers;
                Widen.ToFloats<V>(floats, read, Wanted.Type, 0, checked((int)numbers));
                source = (byte*)floats;
                if (Target != DType.F32)
                {
                    source = (byte*)(floats + numbers);
                    Narrow.FromFloats((ushort*)source, floats, Target, (int)numbers);
                }
            }

            for (int p = 0; p < Count; p++)
            {
                for (int r = 0; r < width; r++)
                {
                    int row = panels.SourceRow(First + p, r);
                    int at = row < 0 ? 0 : row >= panels.Columns ? rows + row - panels.Columns - first : row - first;
                    pointers[r] = row < 0 ? null : source + (nint)at * columns * size;
                }

                Packing.Panel(panels.Panel(First + p), pointers, width, columns, Wanted.Taps, size);
            }
        }
    }

    readonly struct Job(WeightLoader<V> loader, CancellationToken stop) : IJob
    {
        public void Run(int index, Worker worker)
        {
            if (loader.failed || stop.IsCancellationRequested)
            {
                return;
            }

            try
            {
                loader.pieces[index].Fill(worker);
            }
            catch
            {
                loader.failed = true;
                throw;
            }
        }
    }
}
