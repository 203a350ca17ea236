using System.Buffers;
using System.Runtime.ExceptionServices;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// Parameters from their files to the device: cut into pieces of some rows, in the order of the files, that all processors read, and turn,
/// straight into one half of the pinned memory while the other half is on its way. Where the types differ, the stored bytes go to a room
/// on the device that is used again in the order of the queue, and are converted there.
/// </summary>
sealed unsafe class ParameterLoader(CudaDevice device, Staging staging)
{
    // Enough pieces in a half for many processors, each large enough for the file system.
    const int PieceBytes = 1 << 18;

    readonly List<Piece> batch = [];
    int batchBytes;
    DeviceMemory? room;

    public void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop)
    {
        try
        {
            foreach (WantedParameter one in wanted)
            {
                Add(one, stop);
            }

            Send(stop);
        }
        finally
        {
            FreeRoom();
        }
    }

    void Add(WantedParameter one, CancellationToken stop)
    {
        Tensor raw = Raw(one);
        long rowBytes = (long)one.Columns * one.Type.Size();
        if (rowBytes > Staging.HalfBytes)
        {
            Send(stop);
            var values = new byte[raw.Bytes];
            Fill(one, 0, values);
            device.Write<byte>(raw, values);
            Convert(one.Parameter, raw);
            return;
        }

        int atOnce = (int)Math.Max(1, PieceBytes / Math.Max(1, rowBytes));
        for (int row = 0; row < one.Rows; row += atOnce)
        {
            int rows = Math.Min(atOnce, one.Rows - row);
            var piece = new Piece(one, raw, row, (int)(rows * rowBytes), IsLast: row + rows == one.Rows);
            if (batchBytes + piece.Room > Staging.HalfBytes)
            {
                Send(stop);
            }

            batch.Add(piece);
            batchBytes += piece.Room;
        }
    }

    /// <summary>Fills half of the pinned memory, and puts it on its way.</summary>
    void Send(CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        if (batch.Count == 0)
        {
            return;
        }

        byte* place = staging.Take(batchBytes);
        var places = new nint[batch.Count];
        for (int i = 0; i < places.Length; i++)
        {
            places[i] = (nint)place;
            place += batch[i].Room;
        }

        try
        {
            Parallel.For(0, places.Length, i => Fill(batch[i].One, batch[i].FirstRow, new Span<byte>((void*)places[i], batch[i].Bytes)));
        }
        catch (AggregateException failed)
        {
            ExceptionDispatchInfo.Throw(failed.InnerExceptions[0]);
        }

        for (int i = 0; i < places.Length; i++)
        {
            Piece piece = batch[i];
            staging.Send(piece.Target, (byte*)places[i], piece.Bytes);
            if (piece.IsLast)
            {
                Convert(piece.One.Parameter, piece.Raw);
            }
        }

        batch.Clear();
        batchBytes = 0;
    }

    /// <summary>Some rows in the layout of computation.</summary>
    static void Fill(WantedParameter one, int firstRow, Span<byte> target)
    {
        if (one.Taps <= 1)
        {
            one.Read(firstRow, target);
            return;
        }

        byte[] stored = ArrayPool<byte>.Shared.Rent(target.Length);
        one.Read(firstRow, stored.AsSpan(0, target.Length));
        int rows = target.Length / (one.Columns * one.Type.Size());
        Layouts.OihwToOhwi(stored.AsSpan(0, target.Length), target, rows, one.Columns / one.Taps, one.Taps, one.Type.Size());
        ArrayPool<byte>.Shared.Return(stored);
    }

    /// <summary>Where a parameter's stored bytes go: its value, made now where it has none, or room for what is to be converted.</summary>
    Tensor Raw(WantedParameter one)
    {
        Parameter parameter = one.Parameter;
        if (!parameter.Value.Exists)
        {
            DType type = parameter.Kind == ParameterKind.Vector ? DType.F32 : device.Compute ?? parameter.Stored;
            parameter.Value = new Tensor(device.Allocate(parameter.Shape.Count * type.Size()), 0, parameter.Shape, type);
        }

        device.Changed(parameter.Value);
        if (parameter.Value.DType == one.Type)
        {
            return parameter.Value;
        }

        long bytes = parameter.Shape.Count * one.Type.Size();
        if (room is null || room.Bytes < bytes)
        {
            // What waits to be sent goes to the old one.
            Send(CancellationToken.None);
            FreeRoom();
            room = device.Allocate(bytes);
        }

        return new Tensor(room, 0, parameter.Shape, one.Type);
    }

    void Convert(Parameter parameter, Tensor raw)
    {
        if (raw.DType != parameter.Value.DType)
        {
            device.Kernels.Copy(parameter.Value, raw);
        }
    }

    void FreeRoom()
    {
        if (room is not null)
        {
            device.Free(room);
            room = null;
        }
    }

    /// <summary>Some rows of a parameter, as they are stored.</summary>
    sealed record Piece(WantedParameter One, Tensor Raw, int FirstRow, int Bytes, bool IsLast)
    {
        /// <summary>Address on the device.</summary>
        public nint Target => Raw.Address + (nint)FirstRow * One.Columns * One.Type.Size();

        /// <summary>Bytes of the pinned memory that it takes.</summary>
        public int Room => Staging.Room(Bytes);
    }
}
