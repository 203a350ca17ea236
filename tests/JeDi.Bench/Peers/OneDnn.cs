using System.Runtime.InteropServices;

namespace JeDi.Bench.Peers;

/// <summary>oneDNN 2.x (C API): dnnl_sgemm, and convolutions either by its default path on channels-last images or by Winograd.</summary>
sealed partial class OneDnn(bool winograd) : Peer
{
    const string Library = "libdnnl.so.2";

    // Values of the C headers.
    const int Cpu = 1;
    const int InferenceForward = 96;
    const int Direct = 1;
    const int Winograd = 2;
    const int F32 = 3;
    const int AnyLayout = 1;
    const int VectorLayout = 2;
    const int ChannelsLast = 20;
    const int QuerySource = 129;
    const int QueryWeights = 131;
    const int QueryDestination = 133;
    const int DescriptorBytes = 1024;
    const int OperationBytes = 8192;

    static nint engine;
    static nint stream;

    public override string Name => winograd ? "oneDNN Winograd" : "oneDNN";

    public override string? Missing { get; } = CheckLibrary(Library, "libdnnl2") ?? CheckLibrary("libgomp.so.1", "libgomp1");

    public override void UseThreads(int count) => omp_set_num_threads(count);

    public override Action? Gemm(GemmShape shape)
    {
        if (winograd)
        {
            return null;
        }

        (int m, int n, int k) = shape;
        nint x = Floats((long)m * k, 1);
        nint w = Floats((long)n * k, 2);
        nint y = Floats((long)m * n, 3);
        return () => Check(dnnl_sgemm((byte)'N', (byte)'T', m, n, k, 1, x, k, w, k, 0, y, n), "dnnl_sgemm");
    }

    /// <summary>Null where oneDNN has no such convolution.</summary>
    public override Action? Conv2d(ConvShape shape)
    {
        StartEngine();

        // The Winograd path wants a blocked layout of its own choice; its reorders are not timed.
        int layout = winograd ? AnyLayout : ChannelsLast;
        nint source = Descriptor([1, shape.I, shape.Size, shape.Size], layout);
        nint weights = Descriptor([shape.O, shape.I, 3, 3], AnyLayout);
        nint bias = Descriptor([shape.O], VectorLayout);
        nint destination = Descriptor([1, shape.O, shape.Size, shape.Size], layout);
        nint operation = Block(OperationBytes);
        long[] ones = [1, 1];
        Check(
            dnnl_convolution_forward_desc_init(
                operation, InferenceForward, winograd ? Winograd : Direct, source, weights, bias, destination, ones, ones, ones),
            "dnnl_convolution_forward_desc_init");
        if (dnnl_primitive_desc_create(out nint description, operation, 0, engine, 0) != 0)
        {
            return null;
        }

        return Run(description, [
            new(1, Memory(dnnl_primitive_desc_query_md(description, QuerySource, 0), 1)),
            new(33, Memory(dnnl_primitive_desc_query_md(description, QueryWeights, 0), 2)),
            new(41, Memory(bias, 3)),
            new(17, Memory(dnnl_primitive_desc_query_md(description, QueryDestination, 0), 4)),
        ]);
    }

    static void StartEngine()
    {
        if (engine == 0)
        {
            Check(dnnl_engine_create(out engine, Cpu, 0), "dnnl_engine_create");
            Check(dnnl_stream_create(out stream, engine, 1), "dnnl_stream_create");
        }
    }

    /// <summary>What runs an operation once.</summary>
    Action Primitive(nint operation, Argument[] arguments)
    {
        Check(dnnl_primitive_desc_create(out nint description, operation, 0, engine, 0), "dnnl_primitive_desc_create");
        return Run(description, arguments);
    }

    Action Run(nint description, Argument[] arguments)
    {
        Check(dnnl_primitive_create(out nint primitive, description), "dnnl_primitive_create");
        AtClear(() =>
        {
            Check(dnnl_primitive_destroy(primitive), "dnnl_primitive_destroy");
            Check(dnnl_primitive_desc_destroy(description), "dnnl_primitive_desc_destroy");
        });
        return () =>
        {
            Check(dnnl_primitive_execute(primitive, stream, arguments.Length, arguments), "dnnl_primitive_execute");
            Check(dnnl_stream_wait(stream), "dnnl_stream_wait");
        };
    }

    nint Descriptor(long[] dimensions, int layout)
    {
        nint descriptor = Block(DescriptorBytes);
        Check(dnnl_memory_desc_init_by_tag(descriptor, dimensions.Length, dimensions, F32, layout), "dnnl_memory_desc_init_by_tag");
        return descriptor;
    }

    nint Memory(nint descriptor, int seed)
    {
        nint values = Floats((long)dnnl_memory_desc_get_size(descriptor) / sizeof(float), seed);
        return Wrap(descriptor, values);
    }

    nint Wrap(nint descriptor, nint values)
    {
        Check(dnnl_memory_create(out nint memory, descriptor, engine, values), "dnnl_memory_create");
        AtClear(() => Check(dnnl_memory_destroy(memory), "dnnl_memory_destroy"));
        return memory;
    }

    nint Block(int bytes)
    {
        nint memory = Marshal.AllocHGlobal(bytes);
        AtClear(() => Marshal.FreeHGlobal(memory));
        return memory;
    }

    static void Check(int status, string call)
    {
        if (status != 0)
        {
            throw new InvalidOperationException($"{call} returned {status}");
        }
    }

    /// <summary>dnnl_exec_arg_t.</summary>
    readonly record struct Argument(int Index, nint Memory);

    [LibraryImport("libgomp.so.1")]
    private static partial void omp_set_num_threads(int count);

    [LibraryImport(Library)]
    private static partial int dnnl_sgemm(
        byte transA, byte transB, long m, long n, long k, float alpha, nint a, long lda, nint b, long ldb, float beta, nint c, long ldc);

    [LibraryImport(Library)]
    private static partial int dnnl_engine_create(out nint engine, int kind, nuint index);

    [LibraryImport(Library)]
    private static partial int dnnl_stream_create(out nint stream, nint engine, uint flags);

    [LibraryImport(Library)]
    private static partial int dnnl_stream_wait(nint stream);

    [LibraryImport(Library)]
    private static partial int dnnl_memory_desc_init_by_tag(nint descriptor, int count, long[] dimensions, int type, int layout);

    [LibraryImport(Library)]
    private static partial nuint dnnl_memory_desc_get_size(nint descriptor);

    [LibraryImport(Library)]
    private static partial int dnnl_convolution_forward_desc_init(
        nint operation, int kind, int algorithm, nint source, nint weights, nint bias, nint destination, long[] strides, long[] left,
        long[] right);

    [LibraryImport(Library)]
    private static partial int dnnl_primitive_desc_create(out nint description, nint operation, nint attributes, nint engine, nint hint);

    [LibraryImport(Library)]
    private static partial nint dnnl_primitive_desc_query_md(nint description, int what, int index);

    [LibraryImport(Library)]
    private static partial int dnnl_primitive_desc_destroy(nint description);

    [LibraryImport(Library)]
    private static partial int dnnl_primitive_create(out nint primitive, nint description);

    [LibraryImport(Library)]
    private static partial int dnnl_primitive_destroy(nint primitive);

    [LibraryImport(Library)]
    private static partial int dnnl_memory_create(out nint memory, nint descriptor, nint engine, nint handle);

    [LibraryImport(Library)]
    private static partial int dnnl_memory_destroy(nint memory);

    [LibraryImport(Library)]
    private static partial int dnnl_primitive_execute(nint primitive, nint stream, int count, [In] Argument[] arguments);
}
