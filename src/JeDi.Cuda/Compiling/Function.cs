namespace JeDi.Cuda.Compiling;

/// <summary>A variant of a kernel on one device; compiled and loaded at its first launch, or together with others before.</summary>
sealed class Function(Variant variant)
{
    public Variant Variant => variant;

    /// <summary>The driver's handle; 0 until it is loaded.</summary>
    public nint Handle { get; set; }

    /// <summary>Dynamic shared memory that a launch may ask for; more needs the driver's consent.</summary>
    public int SharedBytes { get; set; } = 48 * 1024;
}
