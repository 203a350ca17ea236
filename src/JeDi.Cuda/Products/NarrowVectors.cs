using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda.Products;

/// <summary>
/// Bias vectors in 16 bits, as cuBLASLt reads them, beside the F32 ones that all other kernels read: a form of the parameter, made at its
/// first use, shared by all queues of a GPU and gone with the vector. Values of a 16-bit file are exact, others are rounded once.
/// </summary>
sealed unsafe class NarrowVectors(CudaContext context)
{
    readonly Lock gate = new();
    readonly Dictionary<nint, (nint Address, DType Type)> made = [];

    /// <param name="vector">A parameter's values, F32.</param>
    /// <param name="type">F16 or BF16.</param>
    /// <param name="convert">Writes the vector as that type to the address, and waits for it.</param>
    public nint Of(Tensor vector, DType type, Action<nint, DType, Tensor> convert)
    {
        lock (gate)
        {
            if (made.TryGetValue(vector.Address, out (nint Address, DType Type) form) && form.Type == type)
            {
                return form.Address;
            }

            Drop(vector.Address);
            nint address;
            context.Check(Driver.cuMemAlloc_v2(&address, (nuint)(vector.Count * type.Size())), "cuMemAlloc (");
            convert(address, type, vector);
            made[vector.Address] = (address, type);
            return address;
        }
    }

    /// <summary>The vector at an address, if it has a form, was freed or has other values now.</summary>
    public void Drop(nint vector)
    {
        lock (gate)
        {
            if (made.Remove(vector, out (nint Address, DType Type) form))
            {
                Driver.cuMemFree_v2(form.Address);
            }
        }
    }

    /// <summary>The GPU is left by its last user.</summary>
    public void Clear()
    {
        lock (gate)
        {
            foreach (nint vector in made.Keys.ToArray())
            {
                Drop(vector);
            }
        }
    }
}
