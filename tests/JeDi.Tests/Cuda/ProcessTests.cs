using System.Diagnostics;
using System.Text.Json;
using JeDi.Cuda.Compiling;
using JeDi.Cuda.Products;
using JeDi.Tensors;
using JeDi.Tests.Cli;

namespace JeDi.Tests.Cuda;

/// <summary>What only whole processes show: a cache of kernels for two of them, damaged files, several GPUs. On the simulator.</summary>
public sealed class ProcessTests : FolderFixture
{
    const string One = "FullyQualifiedName~WrapperTests.VectorsPassThroughSharedMemory";
    const int Kernels = 3;

    static string Simulator => Environment.GetEnvironmentVariable("JEDI_SIMULATOR") ?? "";

    [SetUp]
    public void NeedsTheSimulator()
    {
        if (!File.Exists(Simulator) || !Compiler.IsThere)
        {
            Assert.Ignore(Environment.GetEnvironmentVariable("JEDI_SIMULATOR_MISSING") ?? "the simulator is not built, or has no NVRTC");
        }
    }

    [Test]
    public void TwoProcessesShareACacheAndBelieveNothingDamaged()
    {
        string cache = Path.Combine(Folder, "kernels");
        Process[] both = [Start(cache), Start(cache)];
        foreach (Process process in both)
        {
            Assert.That(End(process).Code, Is.Zero);
        }

        string[] files = [.. Directory.GetFileSystemEntries(cache).Order(StringComparer.Ordinal)];
        Assert.That(files, Has.Length.EqualTo(Kernels), "no temporary file is left");
        byte[][] contents = [.. files.Select(File.ReadAllBytes)];
        Assert.That(contents.Select(CompiledKernel.FromFile), Has.None.Null);

        File.WriteAllBytes(files[0], contents[0][..(contents[0].Length / 2)]);
        byte[] changed = [.. contents[1]];
        changed[^1] ^= 1;
        File.WriteAllBytes(files[1], changed);
        File.WriteAllText(files[2], "not a kernel");
        Assert.That(End(Start(cache)).Code, Is.Zero);
        Assert.That(files.Select(File.ReadAllBytes), Is.EqualTo(contents), "all are made anew");
    }

    /// <summary>Nothing of a run looks for a GPU's driver before it knows that the simulator is wanted.</summary>
    [Test]
    public void SampleRunsOnTheSimulator()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "jedi-native.dll");
        string made = Path.Combine(Folder, "simulated");
        string[] sample =
        [
            "exec", program, "sample", "x", "--model", Repository.Find("tests/trial/tiny-jedi"), "--device", "sim", "--width", "64",
            "--height", "64", "--steps", "1", "--seed", "1", "--output", made,
        ];
        (int code, _, string error) = End(Start("dotnet", sample, []));
        Assert.That(code, Is.Zero, error);
        Assert.That(Directory.GetFiles(made, "*.png"), Has.Length.EqualTo(1));
    }

    /// <summary>A driver with three GPUs of which two may be seen, and with none.</summary>
    [Test]
    public void VisibleDevicesAreObeyed()
    {
        File.CreateSymbolicLink(Path.Combine(Folder, "libcuda.so.1"), Path.GetFullPath(Simulator));
        (string, string)[] environment =
        [
            ("JEDI_LIBRARIES", $"{Folder}:{Environment.GetEnvironmentVariable("JEDI_LIBRARIES")}"), ("JEDISIM_DEVICES", "3"),
        ];
        string program = Path.Combine(AppContext.BaseDirectory, "jedi-native.dll");
        (int code, string output, string error) = End(Start(
            "dotnet", ["exec", program, "info", "--json"], [.. environment, ("CUDA_VISIBLE_DEVICES", "0,2")]));
        Assert.That(code, Is.Zero, error);
        JsonElement gpus = JsonDocument.Parse(output).RootElement.GetProperty("cuda");
        Assert.That(gpus.EnumerateArray().Select(gpu => gpu.GetProperty("device").GetString()), Is.EqualTo(new[] { "cuda:0", "cuda:1" }));

        string[] sample = ["exec", program, "sample", "x", "--device", "cuda:2", "--output", Path.Combine(Folder, "out")];
        (code, _, error) = End(Start("dotnet", sample, [.. environment, ("CUDA_VISIBLE_DEVICES", "0,2")]));
        Assert.That(code, Is.Not.Zero);
        Assert.That(error.TrimEnd(), Is.EqualTo(
            "jedi-native: --device cuda:2: cuda:2: there are 2 GPUs, counted from 0; CUDA_VISIBLE_DEVICES is 0,2"));

        sample[5] = "cuda";
        (code, _, error) = End(Start("dotnet", sample, [.. environment, ("CUDA_VISIBLE_DEVICES", "")]));
        Assert.That(code, Is.Not.Zero);
        Assert.That(error.TrimEnd(), Is.EqualTo(
            "jedi-native: --device cuda: the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES is ''); use --device cpu"));
    }

    /// <summary>Since it changes bits: which table of products a process computes by, or why not.</summary>
    [Test]
    public void TheTableOfProductsIsPartOfInfo()
    {
        foreach (string library in new[] { "libcuda.so.1", "libcublasLt.so.12" })
        {
            File.CreateSymbolicLink(Path.Combine(Folder, library), Path.GetFullPath(Simulator));
        }

        var times = new ProductTimes(new Product(64, 64, 128, 128, DType.F16, Bias: false, Residual: false), 2e-6, [1e-6], 0);
        string fits = Table("fits.json", "sm_80");
        string other = Table("other.json", "sm_90a");
        Assert.That(Info(fits).Output, Does.Contain($"1 shapes as {fits} says"));
        Assert.That(Info(other).Output, Does.Contain($"{other} is of sm_90a and cuBLASLt 120400, and not used"));
        Assert.That(Info("none.json").Error.TrimEnd(), Does.StartWith("jedi-native: JEDI_PRODUCTS = none.json: no such file"));

        string Table(string name, string architecture)
        {
            string path = Path.Combine(Folder, name);
            File.WriteAllText(path, ProductTable.Write(architecture, 120400, "a GPU", [times]).ToJsonString());
            return path;
        }

        (int Code, string Output, string Error) Info(string table) => End(Start(
            "dotnet",
            ["exec", Path.Combine(AppContext.BaseDirectory, "jedi-native.dll"), "info"],
            [
                ("JEDI_LIBRARIES", $"{Folder}:{Environment.GetEnvironmentVariable("JEDI_LIBRARIES")}"),
                (ProductChoice.Variable, table),
            ]));
    }

    static Process Start(string cache) => Start(
        Path.Combine(AppContext.BaseDirectory, "JeDi.Tests"),
        ["--no-ansi", "--progress", "off", "--results-directory", Path.Combine(cache, "..", "results"), "--filter", One],
        [("JEDI_TARGET", "sim"), (KernelCache.FolderVariable, cache), ("JEDI_LINES", "")]);

    static Process Start(string program, string[] arguments, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    static (int Code, string Out, string Error) End(Process process)
    {
        using (process)
        {
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, error.Result);
        }
    }
}
