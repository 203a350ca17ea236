using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuKernels<V>
{
    public override void Conv2d(
        Tensor y, Tensor x, Parameter w, Tensor bias, Tensor rowBias, Tensor residual, ConvGeometry geometry, bool relu)
    {
        ConvolutionShape shape = ConvolutionShape.Of(w.Shape, x.Shape, geometry);
        var epilogue = new Epilogue
        {
            Y = Floats(y),
            Columns = shape.O,
            Bias = Floats(bias),
            Residual = Floats(residual),
            Relu = relu,
        };
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
        return tile == 0 || form is not null ? 0
            : tile == Tile4.Outputs ? FilterBytes<Tile4>(filter.Shape) : FilterBytes<Tile2>(filter.Shape);
    }

    public override long ScratchBytes(Parameter filter, Shape input, ConvGeometry geometry)
    {
        ConvolutionShape shape = ConvolutionShape.Of(filter.Shape, input, geometry);
        return WinogradTile(shape) switch
        {
            4 => WinogradBytes<Tile4>(shape),
            2 => WinogradBytes<Tile2>(shape),
            _ => 0,
        };
    }

    static long FilterBytes<T>(Shape filter) where T : struct, IWinogradTile =>
        WinogradFilter<T>.ByteCount(Partition.Pieces(filter[0], V.TileColumns), V.TileColumns, filter[3], T.Size * T.Size);

    long WinogradBytes<T>(in ConvolutionShape shape) where T : struct, IWinogradTile =>
        sizeof(float) * (WinogradConvolution.SharedFloats<V, T>(threads.Count, shape, onTheWay: true)
            + WinogradConvolution.OwnFloats<V, T>(threads.Count, shape, onTheWay: true));

    void Winograd<T>(float* x, in ConvolutionShape shape, Parameter filter, float* rowBias, in Epilogue epilogue)
        where T : struct, IWinogradTile
    {
        using Lock.Scope turn = gate.EnterScope();
        PackedMatrix panels = Panels(filter);
        WinogradFilter<T>? kept = device.KeptFilterBytes == 0 ? null : filter.Find<WinogradFilter<T>>();
        if (kept is null && filterBytes + FilterBytes<T>(filter.Shape) <= device.KeptFilterBytes)
        {
            kept = filter.Form(this, static (kernels, filter) =>
            {
                var form = new WinogradFilter<T>(kernels, kernels.device, kernels.Panels(filter));
                form.Rebuild(filter);
                kernels.filterBytes += form.Bytes;
                return form;
            });
        }

        float* scratch = Shared(WinogradConvolution.SharedFloats<V, T>(threads.Count, shape, kept is null));
        if (kept is null)
        {
            WinogradConvolution.Run<V, T>(threads, x, shape, default, rowBias, epilogue, scratch, new WinogradTaps(panels));
        }
        else
        {
            WinogradConvolution.Run<V, T>(threads, x, shape, kept.Form, rowBias, epilogue, scratch);
        }
    }

    public override void Transform<T>(WinogradFilter<T> target, PackedMatrix source)
    {
        var job = new WinogradFilterJob<V, T>(target.Form, new WinogradTaps(source), firstPanel: 0);
        threads.Run(job.Count(source.Panels), job);
    }

    int WinogradTile(in ConvolutionShape shape) => winograd ? shape.WinogradTile : 0;
}
