using System.Text;
using Microsoft.CodeAnalysis;

namespace JeDi.Cpu.Generator;

/// <summary>
/// Writes the micro-kernels of the matrix product: for each instruction set and each row count one method for row-major a, one of them
/// for half a panel's columns, and one for transposed a. The accumulators are named locals, a register or two a row, so that the JIT
/// keeps all of them in registers; arrays, spans or a generic vector type would not do that.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class MicroKernelGenerator : IIncrementalGenerator
{
    public void Initialize(IncrementalGeneratorInitializationContext context) => context.RegisterPostInitializationOutput(output =>
    {
        output.AddSource("MicroKernels512.g.cs", Class(512, rows: 14, "Avx512F.FusedMultiplyAdd"));
        output.AddSource("MicroKernels256.g.cs", Class(256, rows: 6, "Fma.MultiplyAdd"));
        output.AddSource("MicroKernels128.g.cs", Class(128, rows: 6, "Vector128.MultiplyAddEstimate"));
    });

    static string Class(int bits, int rows, string multiplyAdd)
    {
        var text = new StringBuilder($$"""
            using System.Runtime.CompilerServices;
            using System.Runtime.Intrinsics;
            using System.Runtime.Intrinsics.X86;

            namespace JeDi.Cpu;

            static unsafe class MicroKernels{{bits}}
            {

            """);
        foreach (string name in new[] { Plain, Narrow, Transposed })
        {
            Dispatch(text, rows, name);
            for (int count = 1; count <= rows; count++)
            {
                Kernel(text, bits, count, multiplyAdd, name);
            }
        }

        return text.Append("}\n").ToString();
    }

    const string Plain = "Multiply";
    const string Narrow = "MultiplyNarrow";
    const string Transposed = "MultiplyTransposed";
    const string Parameters = "float* a, nint pitch, float* b, nint k, float* c, nint ldc, bool accumulate";

    static void Dispatch(StringBuilder text, int rows, string name)
    {
        text.Append($"    public static void {name}(int rows, {Parameters})\n    {{\n        switch (rows)\n        {{\n");
        for (int count = 1; count <= rows; count++)
        {
            text.Append($"            case {count}: {name}{count}(a, pitch, b, k, c, ldc, accumulate); break;\n");
        }

        text.Append("        }\n    }\n\n");
    }

    static void Kernel(StringBuilder text, int bits, int rows, string multiplyAdd, string name)
    {
        const int Unroll = 4;
        int width = bits / 32;
        bool transposed = name == Transposed;
        bool narrow = name == Narrow;
        string vector = $"Vector{bits}";
        text.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]\n");
        text.Append($"    static void {name}{rows}({Parameters})\n    {{\n");
        Prefetch(text, narrow ? width : 2 * width, rows);
        Accumulators(text, vector, width, rows, narrow);
        if (!transposed)
        {
            // One pointer for three rows: base, base + pitch and base + 2 pitch are addressing modes, a pointer a row would spill.
            text.Append("        nint once = pitch * sizeof(float), twice = 2 * once;\n        byte* a0 = (byte*)a;\n");
            for (int p = 1; p < (rows + 2) / 3; p++)
            {
                text.Append($"        byte* a{p} = a{p - 1} + once + twice;\n");
            }
        }

        text.Append($"        for (; k >= {Unroll}; k -= {Unroll})\n        {{\n");
        for (int step = 0; step < Unroll; step++)
        {
            Step(text, vector, width, rows, step, multiplyAdd, transposed, narrow);
        }

        Advance(text, width, rows, Unroll, transposed);
        text.Append("        }\n\n        for (; k > 0; k--)\n        {\n");
        Step(text, vector, width, rows, 0, multiplyAdd, transposed, narrow);
        Advance(text, width, rows, 1, transposed);
        text.Append("        }\n\n");
        for (int r = 0; r < rows; r++)
        {
            text.Append($"        x{r}.Store(c);\n{(narrow ? "" : $"        y{r}.Store(c + {width});\n")}        c += ldc;\n");
        }

        text.Append("    }\n\n");
    }

    /// <summary>Asks for the result's memory while the sums are made, where they are long enough to hide the wait.</summary>
    static void Prefetch(StringBuilder text, int columns, int rows)
    {
        const int LineFloats = 16;
        const int LongSum = 128;
        text.Append($"        if (Sse.IsSupported && k >= {LongSum})\n        {{\n            float* ahead = c;\n");
        for (int r = 0; r < rows; r++)
        {
            for (int line = 0; line < columns; line += LineFloats)
            {
                text.Append($"            Sse.Prefetch0(ahead + {line});\n");
            }

            text.Append("            ahead += ldc;\n");
        }

        text.Append("        }\n\n");
    }

    static void Accumulators(StringBuilder text, string vector, int width, int rows, bool narrow)
    {
        for (int r = 0; r < rows; r++)
        {
            text.Append($"        {vector}<float> x{r}{(narrow ? "" : $", y{r}")};\n");
        }

        text.Append("        if (accumulate)\n        {\n            float* from = c;\n");
        for (int r = 0; r < rows; r++)
        {
            text.Append($"            x{r} = {vector}.Load(from);\n");
            text.Append($"{(narrow ? "" : $"            y{r} = {vector}.Load(from + {width});\n")}            from += ldc;\n");
        }

        text.Append("        }\n        else\n        {\n");
        for (int r = 0; r < rows; r++)
        {
            text.Append($"            x{r} = {vector}<float>.Zero;\n{(narrow ? "" : $"            y{r} = {vector}<float>.Zero;\n")}");
        }

        text.Append("        }\n\n");
    }

    static void Step(
        StringBuilder text, string vector, int width, int rows, int step, string multiplyAdd, bool transposed, bool narrow)
    {
        text.Append("            {\n");
        text.Append($"                var p = {vector}.Load(b + {2 * width * step});\n");
        text.Append(narrow ? "" : $"                var q = {vector}.Load(b + {2 * width * step + width});\n");
        for (int r = 0; r < rows; r++)
        {
            string offset = (r % 3) switch { 0 => "", 1 => " + once", _ => " + twice" };
            string element = transposed ? $"a[{r}]" : $"*(float*)(a{r / 3}{offset} + {4 * step})";
            text.Append($"                var v{r} = {vector}.Create({element});\n");
            text.Append($"                x{r} = {multiplyAdd}(v{r}, p, x{r});\n");
            text.Append(narrow ? "" : $"                y{r} = {multiplyAdd}(v{r}, q, y{r});\n");
        }

        text.Append(transposed ? "                a += pitch;\n            }\n" : "            }\n");
    }

    static void Advance(StringBuilder text, int width, int rows, int steps, bool transposed)
    {
        for (int p = 0; !transposed && p < (rows + 2) / 3; p++)
        {
            text.Append($"            a{p} += {4 * steps};\n");
        }

        text.Append($"            b += {2 * width * steps};\n");
    }
}
