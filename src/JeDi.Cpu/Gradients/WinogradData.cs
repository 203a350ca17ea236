namespace JeDi.Cpu;

/// <summary>
/// The transposed convolution with a 3x3 filter as a convolution of dy with the turned filter, by F(4, 3). The filter is
/// transformed at each call, straight from the weight as it is stored.
/// </summary>
static unsafe class WinogradData
{
    /// <summary>Floats of scratch memory that all threads share.</summary>
    /// <param name="shape">That of the convolution of dy: its I are the filter's O.</param>
    public static long SharedFloats<V>(int threads, in ConvolutionShape shape) where V : unmanaged, ISimd<V> =>
        WinogradConvolution.SharedFloats<V, Tile4>(threads, shape, onTheWay: true);

    /// <summary>Those of the threads' own memory, all together.</summary>
    public static long OwnFloats<V>(int threads, in ConvolutionShape shape) where V : unmanaged, ISimd<V> =>
        WinogradConvolution.OwnFloats<V, Tile4>(threads, shape, onTheWay: true);

    /// <param name="w">Row-major [O, 3, 3, I] of the forward operation.</param>
    public static void Run<V>(Threads threads, float* dx, float* dy, float* w, in ConvolutionShape shape, bool add, float* scratch)
        where V : unmanaged, ISimd<V>
    {
        var filter = new WinogradTaps(w, shape.I, shape.O, V.TileColumns);
        var epilogue = new Epilogue { Y = dx, Columns = shape.O, Residual = add ? dx : null };
        WinogradConvolution.Run<V, Tile4>(threads, dy, shape, default, null, epilogue, scratch, filter);
    }
}
