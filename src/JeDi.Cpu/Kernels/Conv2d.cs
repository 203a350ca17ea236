using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry)
    {
        ConvolutionShape shape = ConvolutionShape.Of(w.Shape, x.Shape, geometry);
        var epilogue = new Epilogue { Y = Floats(y), Columns = shape.O, Bias = Floats(bias), Residual = Floats(residual) };
        if (shape.IsPointwise && !rowBias.Exists)
        {
            MatrixProduct.Run<V>(threads, Floats(x), checked((int)x.Shape.RowCount), Panels(w), epilogue);
            return;
        }

        switch (WinogradTile(shape))
        {
            case 4: Winograd<Tile4>(Floats(x), shape, w, Floats(rowBias), epilogue); break;
            case 2: Winograd<Tile2>(Floats(x), shape, w, Floats(rowBias), epilogue); break;
            default: DirectConvolution.Run<V>(threads, Floats(x), shape, Panels(w), Floats(rowBias), epilogue); break;
        }
    }

    public override long PreparedBytes(Parameter filter, Shape input, ConvGeometry geometry)
    {
        int tile = WinogradTile(ConvolutionShape.Of(filter.Shape, input, geometry));
        ParameterForm? form = tile == Tile4.Outputs ? filter.Find<WinogradFilter<Tile4>>() : filter.Find<WinogradFilter<Tile2>>();
        if (tile == 0 || form is not null)
        {
            return 0;
        }

        int size = tile == Tile4.Outputs ? Tile4.Size : Tile2.Size;
        int panels = Partition.Pieces(filter.Shape[0], V.TileColumns);
        return WinogradFilter<Tile4>.ByteCount(panels, V.TileColumns, filter.Shape[3], size * size);
    }

    void Winograd<T>(float* x, in ConvolutionShape shape, Parameter filter, float* rowBias, in Epilogue epilogue)
        where T : struct, IWinogradTile
    {
        using Lock.Scope turn = gate.EnterScope();
        WinogradFilter<T> w = filter.Form(this, static (kernels, filter) =>
        {
            var form = new WinogradFilter<T>(kernels, kernels.device, kernels.Panels(filter));
            form.Rebuild(filter);
            kernels.filterBytes += form.Bytes;
            return form;
        });
        float* scratch = Shared(WinogradConvolution.ScratchFloats<V, T>(shape, w.Panels));
        WinogradConvolution.Run<V, T>(threads, x, shape, w.Form, rowBias, epilogue, scratch);
    }

    public override void Transform<T>(WinogradFilter<T> target, PackedMatrix source) =>
        threads.Run(source.Panels, new WinogradFilterJob<V, T>(target, source));

    /// <summary>Outputs per side of the Winograd tile for such an image; 0: direct. The batch has no say.</summary>
    int WinogradTile(in ConvolutionShape shape)
    {
        const int MinChannels = 32;
        const int MinPixels = 64;
        const int ManyPixels = 256;

        // Whole registers at every level.
        const int ChannelMultiple = 16;
        int pixels = shape.OutputHeight * shape.OutputWidth;
        bool possible = winograd && shape is { Kernel: 3, Geometry: { Stride: 1, Padding: Padding.Same } }
            && shape.I % ChannelMultiple == 0 && shape.O % ChannelMultiple == 0;
        if (!possible || Math.Min(shape.I, shape.O) < MinChannels || pixels < MinPixels)
        {
            return 0;
        }

        return pixels >= ManyPixels ? 4 : 2;
    }
}
