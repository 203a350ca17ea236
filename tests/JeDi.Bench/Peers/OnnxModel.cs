namespace JeDi.Bench.Peers;

/// <summary>A network of one node in the ONNX format, float32. The numbers of fields are those of onnx.proto.</summary>
/// <param name="op">The node's operation, e.g. "Conv".</param>
/// <param name="domain">Where the operation is defined; empty for the standard.</param>
sealed class OnnxModel(string op, string domain = "")
{
    // Values of onnx.proto.
    const int FormatVersion = 8;
    const int StandardVersion = 17;
    const int ExtensionVersion = 1;
    const int F32 = 1;
    const int IntegerAttribute = 2;
    const int IntegersAttribute = 7;

    readonly Protobuf node = new();
    readonly Protobuf graph = new Protobuf().Add(2, op);
    readonly List<Protobuf> attributes = [];
    readonly List<(string Name, long[] Shape)> inputs = [];

    /// <summary>What the caller gives at each run, in the node's order.</summary>
    public IReadOnlyList<(string Name, long[] Shape)> Inputs => inputs;

    public OnnxModel Attribute(string name, long value)
    {
        attributes.Add(new Protobuf().Add(1, name).Add(3, value).Add(20, IntegerAttribute));
        return this;
    }

    public OnnxModel Attribute(string name, long[] values)
    {
        var attribute = new Protobuf().Add(1, name);
        Array.ForEach(values, value => attribute.Add(8, value));
        attributes.Add(attribute.Add(20, IntegersAttribute));
        return this;
    }

    public OnnxModel Input(string name, long[] shape)
    {
        inputs.Add((name, shape));
        node.Add(1, name);
        graph.Add(11, ValueInfo(name, shape));
        return this;
    }

    /// <summary>A constant input, which the runtime may bring into a layout of its own when it loads the model.</summary>
    public OnnxModel Weight(string name, long[] shape, float[] values)
    {
        var tensor = new Protobuf();
        Array.ForEach(shape, size => tensor.Add(1, size));
        node.Add(1, name);
        graph.Add(5, tensor.Add(2, F32).Add(8, name).Add(9, values));
        return this;
    }

    /// <summary>The result, and with it the finished model.</summary>
    public byte[] Finish(string name, long[] shape)
    {
        node.Add(2, name).Add(4, op).Add(7, domain);
        attributes.ForEach(attribute => node.Add(5, attribute));
        graph.Add(12, ValueInfo(name, shape)).Add(1, node);
        return new Protobuf()
            .Add(1, FormatVersion)
            .Add(7, graph)
            .Add(8, new Protobuf().Add(1, "").Add(2, StandardVersion))
            .Add(8, new Protobuf().Add(1, "com.microsoft").Add(2, ExtensionVersion))
            .ToArray();
    }

    static Protobuf ValueInfo(string name, long[] shape)
    {
        var sizes = new Protobuf();
        Array.ForEach(shape, size => sizes.Add(1, new Protobuf().Add(1, size)));
        return new Protobuf().Add(1, name).Add(2, new Protobuf().Add(1, new Protobuf().Add(1, F32).Add(2, sizes)));
    }
}
