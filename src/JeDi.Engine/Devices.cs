using System.Runtime.InteropServices;
using JeDi.Cpu;
using JeDi.Tensors;

namespace JeDi;

/// <summary>The one place that picks a device.</summary>
public static class Devices
{
    /// <summary>Name of the NVIDIA driver's library.</summary>
    public const string CudaDriver = "libcuda.so.1";

    /// <summary>Whether the NVIDIA driver is on this machine.</summary>
    public static bool HasCudaDriver
    {
        get
        {
            if (!NativeLibrary.TryLoad(CudaDriver, out nint handle))
            {
                return false;
            }

            NativeLibrary.Free(handle);
            return true;
        }
    }

    /// <exception cref="JeDiException">Unknown name, or a device that is not there: says what is missing.</exception>
    public static Device Open(EngineOptions options)
    {
        string name = options.Device;
        if (name is "auto" or "cpu")
        {
            return new CpuDevice(Math.Min(options.Threads, Environment.ProcessorCount));
        }

        if (name != "cuda" && !(name.StartsWith("cuda:") && int.TryParse(name.AsSpan(5), out _)))
        {
            throw new JeDiException($"--device {name}: unknown; use auto, cpu, cuda or cuda:N");
        }

        throw new JeDiException(HasCudaDriver
            ? $"--device {name}: this version computes on the CPU only; use --device cpu"
            : $"--device {name}: the driver library {CudaDriver} was not found; install the NVIDIA driver or use --device cpu");
    }
}
