namespace JeDi.Tensors;

/// <summary>One allocation on a device. <see cref="Live"/> is how much of it is in use: views beyond it are stale and throw.</summary>
public sealed class DeviceMemory(Device device, nint address, long bytes)
{
    /// <summary>Whose it is.</summary>
    public Device Device { get; } = device;

    /// <summary>Where it is, on its device.</summary>
    public nint Address { get; } = address;

    /// <summary>Its size.</summary>
    public long Bytes { get; } = bytes;

    /// <summary>Bytes in use, moved by the arena that owns this memory.</summary>
    public long Live { get; internal set; } = bytes;
}
