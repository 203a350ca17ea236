using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/group_norm.cu</c>.</summary>
struct GroupNormArgs
{
    public nint Y;
    public nint X;
    public nint Scale;
    public nint Shift;
    public nint Partial;
    public nint Statistics;
    public int Pixels;
    public int Channels;
    public int Groups;
    public int Width;
    public int Chunks;
    public int Chunk;
    public int Own;
    public int Kept;
    public int Silu;
    public float Eps;
}

sealed unsafe partial class CudaKernels
{
    const int GroupNormThreads = 512;

    // A group of more bytes is shared by all multiprocessors, in two kernels.
    const int OnePassBytes = 47 * 1024;
    const int MostChunks = 128;
    const int ApplyTurns = 16;

    static readonly Kernel groupNorm = new("group_norm", "group_norm", "VECTOR", "THREADS");
    static readonly Kernel groupNormMoments = new("group_norm", "group_norm_moments", "VECTOR", "THREADS");
    static readonly Kernel groupNormApply = new("group_norm", "group_norm_apply", "VECTOR", "THREADS");

    public override void GroupNorm(
        Tensor y, Tensor x, Tensor scale, Tensor shift, int groups, float eps, bool silu, Tensor statistics)
    {
        if (y.Count == 0)
        {
            return;
        }

        int images = x.Shape[0];
        int channels = x.Shape[-1];
        int width = channels / groups;
        var args = new GroupNormArgs
        {
            Y = y.Address,
            X = x.Address,
            Scale = scale.Address,
            Shift = shift.Address,
            Statistics = statistics.Address,
            Pixels = checked((int)(x.Shape.RowCount / images)),
            Channels = channels,
            Groups = groups,
            Width = width,
            Silu = silu ? 1 : 0,
            Eps = eps,
        };
        int vector = Vectors.Width(x.DType, width);
        int parts = width / vector;
        long groupBytes = (long)args.Pixels * width * x.DType.Size();
        if (groupBytes <= OnePassBytes || parts > GroupNormThreads)
        {
            args.Kept = groupBytes <= OnePassBytes ? 1 : 0;
            var one = new Variant(groupNorm, x.DType, vector, GroupNormThreads);
            Launch(one, args, new Grid(images * groups), GroupNormThreads, args.Kept * (int)groupBytes);
            return;
        }

        // Blocks beside each other share the groups of very many channels.
        int columns = Pieces(groups, GroupNormThreads / parts);
        int groupsPerBlock = Pieces(groups, columns);
        int rows = GroupNormThreads / (groupsPerBlock * parts);
        int tile = rows * GroupNormTilePixels(vector * x.DType.Size());
        args.Chunk = Pieces(Pieces(args.Pixels, MostChunks), tile) * tile;
        args.Chunks = Pieces(args.Pixels, args.Chunk);
        args.Own = rows * ApplyTurns;
        args.Partial = Scratch((long)images * args.Chunks * groups * 2 * sizeof(float));
        var moments = new Variant(groupNormMoments, x.DType, vector, GroupNormThreads);
        Launch(moments, args, new Grid(args.Chunks, images, columns), GroupNormThreads);
        Launch(moments with { Kernel = groupNormApply }, args, new Grid(Pieces(args.Pixels, args.Own), images, columns), GroupNormThreads);
    }

    /// <summary>TilePixels of the kernel: pixels that a thread holds in 24 registers.</summary>
    static int GroupNormTilePixels(int vectorBytes) => vectorBytes > 6 ? 96 / vectorBytes : 16;
}
