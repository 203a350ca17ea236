using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Tensors;

namespace JeDi.Cli.Reporting;

/// <summary>What this machine computes with.</summary>
public static class DeviceReport
{
    public static JsonObject Make()
    {
        using Device cpu = Devices.Open(new EngineOptions { Device = "cpu" });
        return new JsonObject
        {
            ["engine"] = PictureParameters.Engine,
            ["runtime"] = $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}",
            ["cpu"] = cpu.Name,
            ["available_bytes"] = cpu.AvailableBytes,
            ["convolutions"] = "filters of 3x3 convolutions are transformed on the way; --memory MB keeps as many as fit",
            ["cuda"] = Devices.HasCudaDriver
                ? "the driver is there; this version computes on the CPU only"
                : $"the driver library {Devices.CudaDriver} was not found",
            ["default_model"] = DefaultModel(),
        };
    }

    /// <summary>The device that a run uses, and why it is no GPU where the choice was left to the engine.</summary>
    public static string Used(Device device, string? wanted)
    {
        string why = Devices.HasCudaDriver ? "this version computes on the CPU only" : "no NVIDIA driver was found";
        return wanted is null or "auto" ? $"{device.Name} ({why})" : device.Name;
    }

    static string DefaultModel()
    {
        try
        {
            return ModelFinder.Find(null);
        }
        catch (JeDiException missing)
        {
            return missing.Message;
        }
    }
}
