using JeDi.Cuda.Compiling;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>Argument of <c>kernels/embed.cu</c>.</summary>
struct EmbedArgs
{
    public nint Y;
    public nint Table;
    public nint Ids;
    public uint Count;
    public uint Entry;
    public uint Entries;
}

sealed unsafe partial class CudaKernels
{
    static readonly Kernel embed = new("embed", "embed", "UNIT");

    /// <summary>Ids lie in device memory: one outside of the table cannot be refused, its entry becomes NaN.</summary>
    public override void Embed(Tensor y, Tensor table, Tensor ids)
    {
        if (y.Count == 0)
        {
            return;
        }

        // Entries move as bits, in units of two bytes and more.
        const DType Bits = DType.F16;
        int width = Vectors.Width(Bits, y.Bytes / ids.Count / Bits.Size(), y.Address | table.Address);
        uint entry = (uint)(y.Bytes / ids.Count / Bits.Size() / width);
        var args = new EmbedArgs
        {
            Y = y.Address,
            Table = table.Address,
            Ids = ids.Address,
            Count = (uint)ids.Count,
            Entry = entry,
            Entries = (uint)table.Shape[0],
        };
        Launch(new Variant(embed, Bits, width * Bits.Size()), args, Vectors.Blocks(ids.Count * entry), 256);
    }
}
