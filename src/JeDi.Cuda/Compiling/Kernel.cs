using JeDi.Tensors;

namespace JeDi.Cuda.Compiling;

/// <summary>
/// An entry point of <c>kernels/source.cu</c> and the names of the numbers that it is compiled with: <c>new("attention", "attention",
/// "HEAD", "CAUSAL")</c> becomes <c>-DT=f16 -DHEAD=40 -DCAUSAL=0</c> for the variant (F16, 40, 0).
/// </summary>
sealed class Kernel(string source, string entry, params string[] numbers)
{
    public string Source => source;

    public string Entry => entry;

    /// <summary>The compiler's options for a variant.</summary>
    public string[] Options(Variant variant)
    {
        ReadOnlySpan<int> values = [variant.A, variant.B, variant.C, variant.D, variant.E, variant.F];
        var options = new string[1 + numbers.Length];
        options[0] = $"-DT={TypeName(variant.Type)}";
        for (int i = 0; i < numbers.Length; i++)
        {
            options[1 + i] = $"-D{numbers[i]}={values[i]}";
        }

        return options;
    }

    public override string ToString() => source == entry ? entry : $"{source}.{entry}";

    /// <summary>The element type's name in <c>kernels/lib</c>.</summary>
    static string TypeName(DType type) => type switch
    {
        DType.F32 => "f32",
        DType.F16 => "f16",
        DType.BF16 => "bf16",
        _ => "i32",
    };
}

/// <summary>A kernel with its element type and the values of its numbers, in their order.</summary>
readonly record struct Variant(Kernel Kernel, DType Type, int A = 0, int B = 0, int C = 0, int D = 0, int E = 0, int F = 0)
{
    public override string ToString() => $"{Kernel} {string.Join(' ', Kernel.Options(this))}";
}
