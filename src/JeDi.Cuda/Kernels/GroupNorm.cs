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
    public int Tile;
    public int Silu;
    public float Eps;
}

sealed unsafe partial class CudaKernels
{
    const int GroupNormThreads = 512;

    // Above it the two kernels, which share an image's groups between all multiprocessors, are faster.
    const int OnePassBytes = 48 * 1024;
    const int MostChunks = 256;
    const int TilePixels = 8;
    const int ApplyPixels = 8;
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
        long groupBytes = (long)args.Pixels * width * x.DType.Size();
        int vector = Vectors.Width(x.DType, width);
        if (groupBytes <= OnePassBytes && width / vector <= GroupNormThreads)
        {
            var one = new Variant(groupNorm, x.DType, vector, GroupNormThreads);
            Launch(one, args, new Grid(images * groups), GroupNormThreads, (int)groupBytes);
            return;
        }

        vector = Vectors.Width(x.DType, channels);
        int rows = Math.Max(1, GroupNormThreads / Math.Min(channels / vector, GroupNormThreads));
        args.Tile = TilePixels * rows;
        args.Chunk = Pieces(Pieces(args.Pixels, args.Tile), MostChunks) * args.Tile;
        args.Chunks = Pieces(args.Pixels, args.Chunk);
        args.Own = ApplyPixels * rows;
        args.Partial = Scratch((long)images * args.Chunks * groups * 2 * sizeof(float));
        Launch(new Variant(groupNormMoments, x.DType, vector, GroupNormThreads), args, new Grid(args.Chunks, images), GroupNormThreads,
            (rows + 1) * channels * sizeof(float));
        Launch(new Variant(groupNormApply, x.DType, vector, GroupNormThreads), args, new Grid(Pieces(args.Pixels, args.Own), images),
            GroupNormThreads, 3 * channels * sizeof(float));
    }
}
