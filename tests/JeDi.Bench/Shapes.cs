namespace JeDi.Bench;

/// <summary>y [M, N] = x [M, K] w [N, K]^T.</summary>
record GemmShape(int M, int N, int K)
{
    public override string ToString() => $"{M}x{N}x{K}";
}

/// <summary>A 3x3 convolution of a square image with stride 1.</summary>
record ConvShape(int Size, int I, int O)
{
    public override string ToString() => $"{Size}^2 {I}->{O}";
}

/// <summary>Softmax attention of L queries with L keys.</summary>
record AttentionShape(int Heads, int Length, int Width)
{
    public override string ToString() => $"{Heads} heads, {Length} keys, d = {Width}";
}

/// <summary>An operation that reads and writes each number of an image once or twice: memory sets its pace.</summary>
record ImageShape(int Size, int Channels)
{
    public override string ToString() => $"{Size}^2 x {Channels}";
}

/// <summary>What the U-Net of Stable Diffusion 1.x computes at 512 x 512, by level.</summary>
static class Shapes
{
    public static readonly GemmShape[] Gemm =
    [
        new(4096, 320, 320), new(4096, 2560, 320), new(4096, 320, 1280),
        new(1024, 640, 640), new(1024, 5120, 640), new(1024, 640, 2560),
        new(256, 1280, 1280), new(256, 10240, 1280), new(256, 1280, 5120),
    ];

    public static readonly ConvShape[] Conv =
    [
        new(64, 320, 320), new(64, 640, 320), new(32, 640, 640), new(32, 1280, 640), new(16, 1280, 1280), new(16, 2560, 1280),
        new(8, 1280, 1280), new(8, 2560, 1280), new(256, 128, 128), new(128, 256, 256),
    ];

    /// <summary>One image, and a set of four images whose tokens see each other.</summary>
    public static readonly AttentionShape[] Attention =
        [new(8, 4096, 40), new(8, 16384, 40), new(8, 1024, 80), new(8, 4096, 80), new(8, 256, 160)];

    /// <summary>Each level of the U-Net, its widest skip, and the end of the VAE decoder.</summary>
    public static readonly ImageShape[] Image = [new(64, 320), new(64, 960), new(32, 640), new(16, 1280), new(8, 1280), new(512, 128)];
}
