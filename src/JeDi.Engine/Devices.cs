using JeDi.Cpu;
using JeDi.Cuda;
using JeDi.Cuda.Native;
using JeDi.Sampling;
using JeDi.Tensors;

namespace JeDi;

/// <summary>The one place that picks a device.</summary>
public static class Devices
{
    const string Names = "auto, cpu, cuda, cuda:N or sim";

    /// <summary>Why no NVIDIA GPU can be used, with what to do; null where one can.</summary>
    public static string? WhyNoGpu
    {
        get
        {
            try
            {
                using var gpu = new CudaDevice();
                return null;
            }
            catch (CudaException missing)
            {
                return missing.Message;
            }
        }
    }

    /// <exception cref="JeDiException">Unknown name, or a device that is not there: says what is missing.</exception>
    public static Device Open(EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        string name = options.Device;
        try
        {
            switch (name)
            {
                case "cpu":
                    return Cpu(options);
                case "sim":
                    Libraries.Choose(simulator: true);
                    return new CudaDevice();
                case "auto":
                    return OpenBest(options);
                case "cuda":
                    return new CudaDevice();
                default:
                    const string Cuda = "cuda:";
                    return name.StartsWith(Cuda, StringComparison.Ordinal) && uint.TryParse(name.AsSpan(Cuda.Length), out uint ordinal)
                        ? new CudaDevice((int)ordinal)
                        : throw new JeDiException($"EngineOptions.Device {name}: unknown; use {Names}");
            }
        }
        catch (CudaException missing)
        {
            throw new JeDiException($"EngineOptions.Device {name}: {missing.Message}", missing);
        }
    }

    /// <summary>
    /// The element types that networks are computed in on a device; null: in F32, with weights kept as they are stored. By default F16, and
    /// BF16 for the autoencoder, whose numbers outgrow F16.
    /// </summary>
    /// <exception cref="JeDiException">An unknown type, or one that the device does not compute in.</exception>
    public static Precision? PrecisionOf(EngineOptions options, Device device)
    {
        bool cpu = device is CpuDevice;
        return options.DType switch
        {
            "auto" => cpu ? null : new Precision(DType.F16, DType.BF16),
            "f32" => cpu ? null : new Precision(DType.F32, DType.F32),
            _ when cpu => throw new JeDiException(
                $"EngineOptions.DType {options.DType}: the CPU computes in f32; use auto, f32 or another device"),
            "f16" => new Precision(DType.F16, DType.F16),
            "bf16" => new Precision(DType.BF16, DType.BF16),
            _ => throw new JeDiException($"EngineOptions.DType {options.DType}: unknown; use auto, f16, bf16 or f32"),
        };
    }

    /// <summary>
    /// Begins in the background what a device of this name will wait for: the kernels of the processor are compiled, where it will be the
    /// one. For a program that has something else to do before it opens one; by the name that it will open, since a process that has looked
    /// for a GPU's driver cannot take the simulator.
    /// </summary>
    public static void Prepare(string name)
    {
        if (name == "cpu" || (name == "auto" && !Libraries.HasDriver))
        {
            CpuDevice.CompileKernels(SimdLevels.Best);
        }
    }

    static Device OpenBest(EngineOptions options)
    {
        if (!Libraries.HasDriver)
        {
            return Cpu(options);
        }

        try
        {
            return new CudaDevice();
        }
        catch (CudaException)
        {
            return Cpu(options);
        }
    }

    static CpuDevice Cpu(EngineOptions options)
    {
        var device = new CpuDevice(
            Math.Min(options.Threads, Environment.ProcessorCount), winograd: options.Winograd, keptFilterBytes: options.KeptFilterBytes);
        CpuDevice.CompileKernels(device.Level);
        return device;
    }
}
