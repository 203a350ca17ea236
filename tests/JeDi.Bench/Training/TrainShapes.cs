namespace JeDi.Bench.Training;

/// <summary>Gradients of y [M, N] = x [M, K] w [N, K]^T + b.</summary>
record ProductShape(int M, int N, int K)
{
    public override string ToString() => $"{M}x{N}x{K}";
}

/// <summary>Gradients of a convolution of square images.</summary>
record ConvolutionShape(int Images, int Size, int I, int O, int Stride = 1, bool Upsample = false)
{
    /// <summary>The first convolution of a network: nobody wants the gradient of its input.</summary>
    public bool IsFirst => I == 9;

    public int OutputSize => (Upsample ? 2 * Size : Size) / Stride;

    public override string ToString() =>
        $"{Images}x{Size}^2 {I}->{O}{(Stride > 1 ? $" /{Stride}" : "")}{(Upsample ? " x2" : "")}";
}

/// <summary>Gradients of attention in sets that each see their own keys.</summary>
record SetsShape(int Sets, int Heads, int Length, int Width)
{
    public override string ToString() => $"{Sets} sets, {Heads} heads, {Length} keys, d = {Width}";
}

/// <summary>Gradients of a norm.</summary>
record NormShape(int Images, int Size, int Channels)
{
    public override string ToString() => $"{Images}x{Size}^2 x {Channels}";
}

/// <summary>
/// What a step of the trial model's U-Net computes backward (16 pictures, latents of 16 x 16), and layers of Stable Diffusion 1.x at 512.
/// </summary>
static class TrainShapes
{
    public static readonly ProductShape[] Products =
    [
        new(4096, 64, 64), new(4096, 512, 64), new(4096, 64, 256), new(1024, 96, 96), new(1024, 768, 96), new(1024, 96, 384),
        new(256, 128, 128), new(256, 1024, 128), new(256, 128, 512), new(1232, 64, 128),
        new(4096, 320, 320), new(4096, 2560, 320), new(1024, 640, 640), new(256, 1280, 1280),
    ];

    public static readonly ConvolutionShape[] Convolutions =
    [
        new(16, 16, 64, 64), new(16, 16, 128, 64), new(16, 8, 96, 96), new(16, 8, 192, 96), new(16, 4, 128, 128), new(16, 4, 256, 128),
        new(16, 2, 128, 128), new(16, 16, 9, 64), new(16, 16, 64, 4), new(16, 16, 64, 64, 2), new(16, 8, 96, 96, 2),
        new(16, 8, 96, 96, 1, true), new(16, 4, 128, 128, 1, true),
        new(1, 64, 320, 320), new(1, 32, 640, 640), new(1, 16, 1280, 1280), new(1, 8, 1280, 1280), new(1, 64, 320, 320, 2),
    ];

    public static readonly SetsShape[] Attention =
    [
        new(8, 4, 512, 16), new(8, 4, 128, 24), new(8, 4, 32, 32), new(4, 4, 1024, 16), new(1, 8, 4096, 40), new(1, 8, 1024, 80),
        new(1, 8, 256, 160),
    ];

    public static readonly NormShape[] Norms =
        [new(16, 16, 64), new(16, 8, 96), new(16, 4, 128), new(1, 64, 320), new(1, 32, 640)];
}
