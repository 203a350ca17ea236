using System.Runtime.InteropServices;
using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>Times a product by the own kernel and by every algorithm that cuBLASLt names for it, on made-up numbers.</summary>
sealed unsafe class ProductTrial(CudaDevice device)
{
    const int Rounds = 5;

    /// <param name="product">Its number of images is <see cref="ProductChoice.ReferenceImages"/>, whatever it says.</param>
    /// <param name="seconds">Time for each contender, roughly.</param>
    public ProductTimes Of(Product product, double seconds)
    {
        int images = ProductChoice.ReferenceImages(product.RowsOfImage);
        product = product with { Rows = images * product.RowsOfImage };
        var arena = new Arena(device);
        Tensor x = Filled(arena, [images, product.RowsOfImage, product.Depth], product.Type, 1);
        Tensor residual = product.Residual ? Filled(arena, [images, product.RowsOfImage, product.Columns], product.Type, 2) : default;
        Tensor narrow = product.Bias ? Filled(arena, [product.Columns], product.Type, 3) : default;
        Tensor bias = product.Bias ? arena.New([product.Columns]) : default;
        if (product.Bias)
        {
            device.Write<float>(bias, Values(narrow));
        }

        byte[] weights = Numbers(product.Columns * product.Depth, product.Type, 4);
        Parameter w = device.Load("w", ParameterKind.Matrix, [product.Columns, product.Depth], product.Type, weights);
        Tensor y = arena.New([images, product.RowsOfImage, product.Columns], product.Type);
        nint workspace = arena.New([LibraryProducts.WorkspaceBytes / sizeof(float)]).Address;
        var operands = new Operands(y.Address, x.Address, w.Value.Address, narrow.Address, residual.Address);
        try
        {
            double own = device.WithOwnProducts(() =>
                Time(() => device.Kernels.Gemm(y, x, w, bias, residual, Activation.None), seconds));
            float[] expected = Values(y);
            var times = new List<double>();
            double difference = 0;
            for (int i = 0; i < LibraryProducts.MostAlgorithms; i++)
            {
                using var library = new LibraryProducts(_ => i);
                device.Fill(y, 0xFF);
                if (!library.TryRun(product, operands, workspace, device.Stream))
                {
                    break;
                }

                difference = Math.Max(difference, Difference(Values(y), expected));
                times.Add(Time(() => library.TryRun(product, operands, workspace, device.Stream), seconds));
            }

            return new ProductTimes(product, own, [.. times], difference);
        }
        finally
        {
            device.Synchronize();
            w.Free();
            arena.Release();
        }
    }

    /// <summary>Least seconds of a call, of several rounds of many.</summary>
    double Time(Action call, double seconds)
    {
        double once = device.Seconds(call);
        int calls = (int)Math.Clamp(seconds / Rounds / Math.Max(once, 1e-7), 1, 1000);
        double least = double.MaxValue;
        for (int round = 0; round < (seconds > 0 ? Rounds : 1); round++)
        {
            least = Math.Min(least, device.Seconds(() =>
            {
                for (int i = 0; i < calls; i++)
                {
                    call();
                }
            }) / calls);
        }

        return least;
    }

    Tensor Filled(Arena arena, Shape shape, DType type, int seed)
    {
        Tensor tensor = arena.New(shape, type);
        device.Write<byte>(tensor, Numbers(checked((int)tensor.Count), type, seed));
        return tensor;
    }

    float[] Values(Tensor tensor)
    {
        var bits = new ushort[tensor.Count];
        device.Read<ushort>(bits, tensor);
        return [.. bits.Select(value => tensor.DType == DType.F16
            ? (float)BitConverter.UInt16BitsToHalf(value)
            : BitConverter.UInt32BitsToSingle((uint)value << 16))];
    }

    /// <summary>Evenly spread over -1 .. 1, in 16 bits.</summary>
    static byte[] Numbers(int count, DType type, int seed)
    {
        var random = new Random(seed);
        var bits = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            float value = random.NextSingle() * 2 - 1;
            bits[i] = type == DType.F16
                ? BitConverter.HalfToUInt16Bits((Half)value)
                : (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        }

        return MemoryMarshal.AsBytes<ushort>(bits).ToArray();
    }

    static double Difference(float[] actual, float[] expected)
    {
        double worst = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i]);
            worst = Math.Max(worst, double.IsNaN(difference) ? double.PositiveInfinity : difference);
        }

        return worst / Math.Max(1e-30, expected.Max(Math.Abs));
    }
}
