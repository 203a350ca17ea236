using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;
using JeDi.Tests.Precision;

namespace JeDi.Tests.Operations;

public sealed class GemmTests
{
    /// <summary>One, primes, one over each tile, sums of several stretches, a row pitch of 512 floats.</summary>
    static readonly (int M, int N, int K)[] sizes =
        [(1, 1, 1), (1, 37, 5), (7, 3, 11), (15, 33, 17), (29, 97, 389), (14, 32, 384), (13, 64, 512), (129, 70, 31), (5, 1300, 40)];

    static IEnumerable<object[]> Sizes() => Targets.All.SelectMany(target => sizes.Select(s => new object[] { target, s.M, s.N, s.K }));

    static IEnumerable<object[]> Activations() =>
        Targets.All.SelectMany(target => Enum.GetValues<Activation>().Select(activation => new object[] { target, activation }));

    [OnTargets(nameof(Sizes))]
    public void EqualsFloat64(string target, int m, int n, int k)
    {
        using Device device = OpRun.Make(target);
        float[] x = Plain.Random(m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        Check(device, x, w, null, null, m, n, k, Activation.None);
        Check(device, x, w, Plain.Random(n, 3), Plain.Random(m * n, 4), m, n, k, Activation.None);
    }

    [OnTargets(nameof(Activations))]
    public void EpilogueEqualsFloat64(string target, Activation activation)
    {
        using Device device = OpRun.Make(target);
        foreach ((int m, int n, int k) in new[] { (17, 74, 23), (6, 64, 400), (30, 2, 7) })
        {
            int columns = activation == Activation.Geglu ? n / 2 : n;
            float[] x = [.. Plain.Random(m * k, 1).Select(value => 3 * value)];
            Check(device, x, Plain.Random(n * k, 2), Plain.Random(n, 3), Plain.Random(m * columns, 4), m, n, k, activation);
            Check(device, x, Plain.Random(n * k, 2), null, null, m, n, k, activation);
        }
    }

    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void BitsDependNeitherOnThreadsNorOnBatch(string target)
    {
        (int m, int n, int k) = (150, 330, 650);
        float[] x = Plain.Random(m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] bias = Plain.Random(n, 3);
        using Device one = OpRun.Make(target, threads: 1);
        float[] expected = OpRun.Gemm(one, x, w, bias, null, m, n, k, Activation.Silu);
        float[] row = OpRun.Gemm(one, x[(70 * k)..(71 * k)], w, bias, null, 1, n, k, Activation.Silu);
        Assert.That(row, Is.EqualTo(expected[(70 * n)..(71 * n)]), "one row alone");
        foreach (int threads in new[] { 2, 3 })
        {
            using Device several = OpRun.Make(target, threads);
            Assert.That(OpRun.Gemm(several, x, w, bias, null, m, n, k, Activation.Silu), Is.EqualTo(expected), $"{threads} threads");
        }
    }

    /// <summary>The result may overwrite its residual, also where the sums take several stretches.</summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void ResultMayBeTheResidual(string target)
    {
        (int m, int n, int k) = (33, 45, 800);
        using Device device = OpRun.Make(target);
        float[] x = Plain.Random(m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] residual = Plain.Random(m * n, 3);
        var arena = new Arena(device);
        var ops = new Ops(device, arena);
        Tensor y = ops.From<float>([m, n], residual);
        Parameter matrix = device.Load("w", ParameterKind.Matrix, [n, k], DType.F32, MemoryMarshal.AsBytes<float>(w));
        ops.Linear(ops.From<float>([m, k], x), matrix, residual: y, into: y);
        Assert.That(device.ToArray(y), Is.EqualTo(OpRun.Gemm(device, x, w, null, residual, m, n, k)));
        arena.Release();
    }

    /// <summary>
    /// Products that go to cuBLASLt on a GPU: with and without bias and residual; one image alone has the bits that it has
    /// among others.
    /// </summary>
    [OnTargets(typeof(Targets), nameof(Targets.All))]
    public void LargeProductsEqualFloat64WhateverTheBatch(string target)
    {
        (int images, int m, int n, int k) = (3, 72, 136, 160);
        using Device device = OpRun.Make(target);
        float[] x = Plain.Random(images * m * k, 1);
        float[] w = Plain.Random(n * k, 2);
        float[] b = Plain.Random(n, 3);
        float[] r = Plain.Random(images * m * n, 4);
        Parameter matrix = device.Load("w", ParameterKind.Matrix, [n, k], DType.F32, MemoryMarshal.AsBytes<float>(w));
        Parameter vector = device.Load("b", ParameterKind.Vector, [n], DType.F32, MemoryMarshal.AsBytes<float>(b));
        foreach ((bool bias, bool residual) in new[] { (false, false), (true, false), (false, true), (true, true) })
        {
            float[] y = Run(images, x, r, bias, residual);
            Close.LikePlain(
                y,
                Plain.Gemm<double>(x, w, bias ? b : null, residual ? r : null, images * m, n, k, Activation.None),
                Plain.Gemm<float>(x, w, bias ? b : null, residual ? r : null, images * m, n, k, Activation.None));
            float[] one = Run(1, x[(m * k)..(2 * m * k)], r[(m * n)..(2 * m * n)], bias, residual);
            Assert.That(one, Is.EqualTo(y[(m * n)..(2 * m * n)]), "the second image alone");
        }

        float[] Run(int count, float[] x, float[] r, bool bias, bool residual)
        {
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            Tensor added = residual ? ops.From<float>([count, m, n], r) : default;
            Tensor y = ops.Linear(ops.From<float>([count, m, k], x), matrix, bias ? vector : null, residual: added);
            float[] result = device.ToArray(y);
            arena.Release();
            return result;
        }
    }

    /// <summary>A weight stored in 16 bits gives the bits of the same numbers stored in 32.</summary>
    [TestCaseSource(typeof(OpRun), nameof(OpRun.Levels))]
    public void StoredTypesWidenExactly(SimdLevel level)
    {
        (int m, int n, int k) = (3, 35, 83);
        using CpuDevice device = OpRun.Cpu(level);
        float[] x = Plain.Random(m * k, 1);
        Half[] halves = [.. Plain.Random(n * k, 2).Select((value, i) => (Half)(value * MathF.Pow(2, -(i % 25))))];
        ushort[] bfloats = [.. Plain.Random(n * k, 2).Select(value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))];
        Same(MemoryMarshal.AsBytes<Half>(halves), DType.F16, [.. halves.Select(value => (float)value)]);
        Same(MemoryMarshal.AsBytes<ushort>(bfloats), DType.BF16,
            [.. bfloats.Select(value => BitConverter.UInt32BitsToSingle((uint)value << 16))]);

        void Same(ReadOnlySpan<byte> stored, DType type, float[] values)
        {
            var arena = new Arena(device);
            var ops = new Ops(device, arena);
            Tensor y = ops.Linear(ops.From<float>([m, k], x), device.Load("w", ParameterKind.Matrix, [n, k], type, stored));
            Assert.That(device.ToArray(y), Is.EqualTo(OpRun.Gemm(device, x, values, null, null, m, n, k)), type.ToString());
            arena.Release();
        }
    }

    static void Check(Device device, float[] x, float[] w, float[]? bias, float[]? residual, int m, int n, int k, Activation activation) =>
        Close.LikePlain(
            OpRun.Gemm(device, x, w, bias, residual, m, n, k, activation),
            Plain.Gemm<double>(x, w, bias, residual, m, n, k, activation),
            Plain.Gemm<float>(x, w, bias, residual, m, n, k, activation));
}
