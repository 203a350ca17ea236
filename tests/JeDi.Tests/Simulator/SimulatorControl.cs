using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace JeDi.Tests.Simulator;

/// <summary>The simulator's own functions (kernels/simulator/README.md), in the library that the target has loaded.</summary>
static unsafe class SimulatorControl
{
    static readonly Lazy<nint> library = new(() =>
        NativeLibrary.Load(Path.GetFullPath(Environment.GetEnvironmentVariable(JeDi.Cuda.Native.Libraries.SimulatorVariable)!)));

    /// <summary>A setting for the launches that follow.</summary>
    public static void Set(string name, string value)
    {
        var set = (delegate* unmanaged<byte*, byte*, int>)NativeLibrary.GetExport(library.Value, "jedisimSet");
        fixed (byte* first = Encoding.UTF8.GetBytes(name + '\0'))
        {
            fixed (byte* second = Encoding.UTF8.GetBytes(value + '\0'))
            {
                Assert.That(set(first, second), Is.Zero, $"{name} = {value}");
            }
        }
    }

    /// <summary>Counts begin anew.</summary>
    public static void Reset() => ((delegate* unmanaged<int>)NativeLibrary.GetExport(library.Value, "jedisimReset"))();

    /// <summary>The counts since the last reset.</summary>
    public static JsonElement Report()
    {
        var report = (delegate* unmanaged<byte*, nuint, nuint>)NativeLibrary.GetExport(library.Value, "jedisimReport");
        var buffer = new byte[(int)report(null, 0) + 4096];
        nuint bytes;
        fixed (byte* first = buffer)
        {
            bytes = report(first, (nuint)buffer.Length);
        }

        return JsonDocument.Parse(buffer.AsMemory(0, (int)bytes - 1)).RootElement;
    }
}
