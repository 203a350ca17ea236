using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// Parameters from their files to the device: while one goes through pinned memory, the next is read and turned on another thread. Where
/// the types differ, the stored bytes go to a room on the device that is used again in the order of the queue, and are converted there.
/// </summary>
sealed class ParameterLoader(CudaDevice device)
{
    DeviceMemory? room;

    public void Load(IReadOnlyList<WantedParameter> wanted, CancellationToken stop)
    {
        Task<byte[]>? next = Read(0);
        try
        {
            for (int i = 0; i < wanted.Count; i++)
            {
                stop.ThrowIfCancellationRequested();
                byte[] values = next!.GetAwaiter().GetResult();
                next = Read(i + 1);
                Fill(wanted[i].Parameter, wanted[i].Type, values);
            }
        }
        finally
        {
            // The source may be closed when this returns.
            ((IAsyncResult?)next)?.AsyncWaitHandle.WaitOne();
            FreeRoom();
        }

        Task<byte[]>? Read(int index) => index < wanted.Count ? Task.Run(() => Values(wanted[index])) : null;
    }

    static byte[] Values(WantedParameter one)
    {
        var values = new byte[one.Parameter.Shape.Count * one.Type.Size()];
        one.Read(0, values);
        if (one.Taps <= 1)
        {
            return values;
        }

        var turned = new byte[values.Length];
        Layouts.OihwToOhwi(values, turned, one.Rows, one.Columns / one.Taps, one.Taps, one.Type.Size());
        return turned;
    }

    /// <summary>Values in the layout of computation to the parameter's room, or to room that is made now.</summary>
    void Fill(Parameter parameter, DType stored, byte[] values)
    {
        if (!parameter.Value.Exists)
        {
            DType type = parameter.Kind == ParameterKind.Vector ? DType.F32 : device.Compute ?? parameter.Stored;
            parameter.Value = new Tensor(device.Allocate(parameter.Shape.Count * type.Size()), 0, parameter.Shape, type);
        }

        device.Changed(parameter.Value);
        if (parameter.Value.DType == stored)
        {
            device.Write<byte>(parameter.Value, values);
            return;
        }

        if (room is null || room.Bytes < values.Length)
        {
            FreeRoom();
            room = device.Allocate(values.Length);
        }

        var raw = new Tensor(room, 0, parameter.Shape, stored);
        device.Write<byte>(raw, values);
        device.Kernels.Copy(parameter.Value, raw);
    }

    void FreeRoom()
    {
        if (room is not null)
        {
            device.Free(room);
            room = null;
        }
    }
}
