using System.Runtime.InteropServices;
using JeDi.Tensors;

namespace JeDi.Tests;

/// <summary>Short cuts for tests.</summary>
public static class DeviceExtensions
{
    /// <summary>A parameter from F32 values.</summary>
    public static Parameter LoadFloats(this Device device, ParameterKind kind, Shape shape, ReadOnlySpan<float> values) =>
        device.Load("test", kind, shape, DType.F32, MemoryMarshal.AsBytes(values));
}
