namespace JeDi.Cpu;

/// <summary>What a gradient of attention reads and writes.</summary>
unsafe struct AttentionTensors
{
    public const float Log2E = 1.44269504f;

    public required float* DQ;
    public required float* DK;
    public required float* DV;
    public required float* DBias;
    public required float* DY;
    public required float* Q;
    public required float* K;
    public required float* Values;
    public required float* Y;
    public required float* LogSumExp;

    /// <summary>Null, or one value for each <see cref="KeysPerBias"/> keys.</summary>
    public required float* Bias;
    public required int KeysPerBias;

    /// <summary>Null: every image is a set.</summary>
    public required int* QueryBounds;
    public required int* KeyBounds;
    public required int Sets;
    public required int QueryTokens;
    public required int KeyTokens;
    public required int Channels;
    public required int Heads;
    public required bool Causal;
    public required bool Add;

    /// <summary>Parts that the keys of a set are cut into, each with sums of its own for the queries.</summary>
    public required int Shares;

    /// <summary>Keys of all images.</summary>
    public required long AllKeys;

    /// <summary>Each share's dq, where there are several.</summary>
    public float* Parts;

    /// <summary>Floats of a share's dq.</summary>
    public long PartFloats;

    /// <summary>[heads][keys]: each head's part of the bias' gradient.</summary>
    public float* BiasParts;

    public readonly int Width => Channels / Heads;

    public readonly long FirstQuery(int set) => (long)(QueryBounds == null ? set : QueryBounds[set]) * QueryTokens;

    public readonly long FirstKey(int set) => (long)(KeyBounds == null ? set : KeyBounds[set]) * KeyTokens;

    public readonly int QueryCount(int set) => checked((int)(FirstQuery(set + 1) - FirstQuery(set)));

    public readonly int KeyCount(int set) => checked((int)(FirstKey(set + 1) - FirstKey(set)));
}

/// <summary>A panel of keys of one head in scratch memory, one key a lane.</summary>
unsafe struct AttentionKeys
{
    /// <summary>K^T [width][lanes].</summary>
    public float* Keys;

    /// <summary>V^T [width][lanes].</summary>
    public float* Values;

    /// <summary>dK^T [width][lanes].</summary>
    public float* KeySums;

    /// <summary>dV^T [width][lanes].</summary>
    public float* ValueSums;

    /// <summary>The keys themselves, as a panel for a product: [width / lanes][lanes keys][lanes].</summary>
    public float* Rows;

    /// <summary>[lanes], in powers of two; -infinity where there is no key.</summary>
    public float* Biases;

    public float* BiasSums;
}
