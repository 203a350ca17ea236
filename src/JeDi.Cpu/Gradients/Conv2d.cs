using JeDi.Tensors;

namespace JeDi.Cpu;

unsafe partial class CpuGradients<V>
{
    // Results at twice the size, before they are summed to the size of the input.
    const long UpsampledFloats = 16L << 20;

    public override void Conv2d(
        Tensor dx, Tensor dw, Tensor dbias, Tensor drowBias, Tensor dy, Tensor x, Parameter w, ConvGeometry geometry, bool add)
    {
        ConvolutionShape shape = ConvolutionShape.Of(w.Shape, x.Shape, geometry);
        if (shape.Images == 0)
        {
            return;
        }

        int pixels = shape.OutputHeight * shape.OutputWidth;
        if (shape.IsPointwise)
        {
            Product(Floats(dx), Floats(dw), null, Floats(dy), Floats(x), w, shape.Images, shape.Images * pixels, shape.O, shape.I, add);
        }
        else
        {
            using Lock.Scope turn = gate.EnterScope();
            if (dx.Exists)
            {
                ConvolutionByData(Floats(dx), Floats(dy), w, shape, add);
            }

            if (dw.Exists)
            {
                ConvolutionByWeight(Floats(dw), Floats(dy), Floats(x), shape);
            }
        }

        if (dbias.Exists || drowBias.Exists)
        {
            using Lock.Scope turn = gate.EnterScope();
            float* sums = Shared((long)shape.Images * shape.O);
            ColumnSums(Floats(dy), shape.Images, pixels, shape.O, sums, Floats(dbias));
            if (drowBias.Exists)
            {
                Sums.Write<V>(Floats(drowBias), shape.O, sums, shape.O, shape.Images, shape.O, add);
            }
        }
    }

    public long ScratchBytes(Parameter w, Shape input, ConvGeometry geometry, bool data, bool weight)
    {
        long value = Aligned(WeightValue.ScratchFloats(w));
        int rows = w.Shape[0];
        if (w.Kind != ParameterKind.Convolution)
        {
            return data ? sizeof(float) * (value + BackProduct.PanelFloats<V>(rows, checked((int)(w.Shape.Count / rows)))) : 0;
        }

        ConvolutionShape shape = ConvolutionShape.Of(w.Shape, input, geometry);
        if (shape.IsPointwise)
        {
            return data ? sizeof(float) * (value + BackProduct.PanelFloats<V>(shape.O, shape.I)) : 0;
        }

        int scale = geometry.Upsample ? 2 : 1;
        (int height, int width) = (scale * shape.Height, scale * shape.Width);
        int atOnce = geometry.Upsample ? UpsampledAtOnce(shape) : shape.Images;
        long doubled = geometry.Upsample ? Aligned(atOnce * ((long)height * width * shape.I)) : 0;
        long ofData = data ? doubled + value + TransposedFloats(shape, atOnce, height, width) : 0;
        long own = data && TakesWinograd(shape, height, width)
            ? WinogradData.OwnFloats<V>(threads.Count, Turned(shape, atOnce, height, width))
            : 0;
        long ofWeight = !weight ? 0 : WeightTile(shape) switch
        {
            4 => WinogradWeights.ScratchFloats<V, Tile4>(threads.Count, shape),
            2 => WinogradWeights.ScratchFloats<V, Tile2>(threads.Count, shape),
            _ => 0,
        };
        return sizeof(float) * (ofData + Math.Max(own, ofWeight));
    }

    static int UpsampledAtOnce(in ConvolutionShape shape) =>
        (int)Math.Clamp(UpsampledFloats / (4L * shape.Height * shape.Width * shape.I), 1, shape.Images);

    void ConvolutionByData(float* dx, float* dy, Parameter w, in ConvolutionShape shape, bool add)
    {
        long valueFloats = Aligned(WeightValue.ScratchFloats(w));
        if (!shape.Geometry.Upsample)
        {
            float* scratch = Shared(valueFloats + TransposedFloats(shape, shape.Images, shape.Height, shape.Width));
            float* value = WeightValue.Find<V>(threads, w, scratch);
            TransposedConvolution(dx, dy, value, shape, shape.Height, shape.Width, add, scratch + valueFloats);
            return;
        }

        // The gradient of the doubled image, some images at a time, and of each pixel the sum of its four copies.
        int height = 2 * shape.Height;
        int width = 2 * shape.Width;
        long imageFloats = (long)height * width * shape.I;
        int atOnce = UpsampledAtOnce(shape);
        long doubledFloats = Aligned(atOnce * imageFloats);
        float* doubled = Shared(doubledFloats + valueFloats + TransposedFloats(shape, atOnce, height, width));
        float* values = WeightValue.Find<V>(threads, w, doubled + doubledFloats);
        float* rest = doubled + doubledFloats + valueFloats;
        for (int first = 0; first < shape.Images; first += atOnce)
        {
            ConvolutionShape some = shape with { Images = Math.Min(atOnce, shape.Images - first) };
            TransposedConvolution(doubled, dy + first * (long)height * width * shape.O, values, some, height, width, false, rest);
            float* to = dx + first * (imageFloats / 4);
            threads.Run(some.Images * shape.Height, new FoldJob(to, doubled, shape.Width, shape.I, add));
        }
    }

    /// <summary>Floats of scratch memory for <see cref="TransposedConvolution"/>.</summary>
    long TransposedFloats(in ConvolutionShape shape, int images, int height, int width) =>
        TakesWinograd(shape, height, width)
            ? WinogradData.SharedFloats<V>(threads.Count, Turned(shape, images, height, width))
            : DataConvolution.PanelFloats<V>(shape);

    /// <summary>dx [images, height, width, I] (+)= the transposed convolution of dy with <paramref name="w"/>, row-major.</summary>
    void TransposedConvolution(
        float* dx, float* dy, float* w, in ConvolutionShape shape, int height, int width, bool add, float* scratch)
    {
        if (TakesWinograd(shape, height, width))
        {
            WinogradData.Run<V>(threads, dx, dy, w, Turned(shape, shape.Images, height, width), add, scratch);
            return;
        }

        DataConvolution.Pack<V>(threads, scratch, w, shape);
        DataConvolution.Run<V>(threads, dx, height, width, dy, shape, scratch, add);
    }

    /// <summary>The convolution that the transposed one with stride 1 is: of dy, with I and O in each other's place.</summary>
    static ConvolutionShape Turned(in ConvolutionShape shape, int images, int height, int width) =>
        new(images, height, width, shape.O, shape.I, shape.Kernel, new ConvGeometry(1));

    /// <summary>
    /// Whether the gradient of such an image is computed by F(4, 3). The tiles of all images are one product, so that it pays for small
    /// maps, too. The batch has no say.
    /// </summary>
    bool TakesWinograd(in ConvolutionShape shape, int height, int width)
    {
        const int MinPixels = 16;
        return winograd && height * width >= MinPixels && shape.SuitsWinograd;
    }

    /// <summary>Outputs per side of the tile for the gradient of the filter: a product for each image, whose depth is its tiles.</summary>
    int WeightTile(in ConvolutionShape shape) => winograd ? shape.WinogradTile : 0;

    void ConvolutionByWeight(float* dw, float* dy, float* x, in ConvolutionShape shape)
    {
        int pixels = shape.OutputHeight * shape.OutputWidth;
        switch (WeightTile(shape))
        {
            case 4: WinogradWeights.Run<V, Tile4>(threads, dw, dy, x, shape); break;
            case 2: WinogradWeights.Run<V, Tile2>(threads, dw, dy, x, shape); break;
            default:
                OuterProduct.Run<V, ConvolutionRows>(
                    threads, dw, dy, shape.O, shape.Images * pixels, shape.O, new ConvolutionRows(x, shape));
                break;
        }
    }

    /// <summary>A block is a row of dx: sums of two by two pixels of the doubled image.</summary>
    readonly struct FoldJob(float* dx, float* doubled, int width, int channels, bool add) : IJob
    {
        public void Run(int index, Worker worker)
        {
            float* to = dx + (long)index * width * channels;
            float* from = doubled + 4L * index * width * channels;
            long below = 2L * width * channels;
            for (int column = 0; column < width; column++, to += channels, from += 2 * channels)
            {
                for (int c = 0; c < channels; c += V.Width)
                {
                    int part = Math.Min(V.Width, channels - c);
                    V upper = V.LoadPartial(from + c, part) + V.LoadPartial(from + channels + c, part);
                    V lower = V.LoadPartial(from + below + c, part) + V.LoadPartial(from + below + channels + c, part);
                    V sum = upper + lower;
                    (add ? V.LoadPartial(to + c, part) + sum : sum).StorePartial(to + c, part);
                }
            }
        }
    }
}
