using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using JeDi.Cli.Output;
using JeDi.Cuda;
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
            ["cuda"] = Cuda(),
            ["default_model"] = DefaultModel(),
        };
    }

    /// <summary>The device that a run uses, and why it is no GPU where the choice was left to the engine.</summary>
    public static string Used(Device device, string? wanted)
    {
        string? why = wanted is null or "auto" && device is Cpu.CpuDevice ? WhyNoGpu : null;
        return why is null ? device.Name : $"{device.Name} ({why})";
    }

    static JsonNode Cuda() => WhyNoGpu is string why ? why : new JsonArray([.. CudaInfo.All().Select(gpu => (JsonNode)new JsonObject
    {
        ["device"] = $"cuda:{gpu.Ordinal}",
        ["name"] = gpu.Name,
        ["compute_capability"] = gpu.Capability,
        ["memory_bytes"] = gpu.TotalBytes,
        ["available_bytes"] = gpu.FreeBytes,
        ["driver"] = gpu.Driver,
        ["nvrtc"] = gpu.Nvrtc,
        ["cublaslt"] = gpu.CuBlasLt,
        ["products"] = gpu.Products,
    })]);

    static string? WhyNoGpu => Devices.WhyNoGpu is string why ? OptionNames.In(why) : null;

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
