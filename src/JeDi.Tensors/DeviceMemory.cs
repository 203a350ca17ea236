namespace JeDi.Tensors;

/// <summary>One allocation on a device. <see cref="Live"/> is how much of it is in use: views beyond it are stale and throw.</summary>
public sealed class DeviceMemory(Device device, nint address, long bytes)
{
    public Device Device { get; } = device;

    public nint Address { get; } = address;

    public long Bytes { get; } = bytes;

    /// <summary>Bytes in use, moved by the arena that owns this memory.</summary>
    public long Live { get; internal set; } = bytes;
}
