using System.IO.Compression;
using JeDi;
using JeDi.Cuda;
using JeDi.Files.Images;
using JeDi.Sampling;

// Arguments: the repository (for its model and its reference pictures), and the feed that the package came from.
string trial = Path.Combine(args[0], "tests", "trial");
string model = Path.Combine(args[0], "tests", "trial", "tiny-jedi");
string[] assemblies = ["Errors", "Files", "Tensors", "Cpu", "Cuda", "Models", "Sampling", "Engine"];

// What the package holds: documentation for each assembly, symbols, its readme and licences.
string[] files = Entries("JeDiNative.*.nupkg");
Expect(assemblies.All(name => files.Contains($"lib/net10.0/JeDi.{name}.dll")), "an assembly is missing");
string[] documented = ["Errors", "Files", "Tensors", "Models", "Sampling", "Engine"];
Expect(documented.All(name => files.Contains($"lib/net10.0/JeDi.{name}.xml")), "an assembly has no documentation");
Expect(files.Count(file => file.EndsWith(".dll")) == assemblies.Length, "there are other assemblies than the engine's");
Expect(files.Contains("README.md") && files.Contains("LICENSE"), "readme or licence is missing");
string[] symbols = Entries("JeDiNative.*.snupkg");
Expect(assemblies.All(name => symbols.Contains($"lib/net10.0/JeDi.{name}.pdb")), "an assembly has no symbols");

// Kernels travel inside their assembly, the vocabulary beside the program.
string[] kernels = typeof(CudaDevice).Assembly.GetManifestResourceNames();
Expect(kernels.Contains("gemm.cu") && kernels.Contains("lib/mma.cuh"), "the kernels are not in their assembly");
string? vocabulary = ShippedFiles.Find("clip-tokenizer");
Expect(vocabulary is not null && vocabulary.StartsWith(AppContext.BaseDirectory), $"the tokenizer is at '{vocabulary}'");
Expect(File.Exists(Path.Combine(vocabulary!, "merges.txt")), "the tokenizer's files are missing");

using JeDiEngine engine = JeDiEngine.Load(model, new EngineOptions { Device = "cpu" });
using JeDiSession session = engine.Prepare(
    new SessionShape(References: 1, Guidance: GuidanceMode.ImageFirst, Sampler: "euler", Steps: 12));
JeDiResult result = await session.GenerateAsync(new JeDiRequest
{
    Prompts = ["a graduation cap on a plain pink background"],
    References =
    [
        new Reference
        {
            Image = ImageReader.Read(Path.Combine(trial, "euler-ref0.png")),
            Caption = "a graduation cap on a checked green background",
        },
    ],
    Seed = 123,
    TextScale = 4,
    ImageScale = 2,
});

// The picture that the reference implementation drew; the bounds are those of the test of the same picture in the solution.
PngWriter.Write("euler.png", result.Images[0]);
byte[] drawn = ImageReader.Read("euler.png").Rgb;
byte[] expected = ImageReader.Read(Path.Combine(trial, "euler-0.png")).Rgb;
int[] differences = [.. drawn.Zip(expected, (a, b) => Math.Abs(a - b))];
double beyondOne = differences.Count(difference => difference > 1) / (double)differences.Length;
Expect(drawn.Length == expected.Length && beyondOne <= 0.001 && differences.Max() <= 8,
    $"the picture is not the reference's: {beyondOne:P2} of its values are off, the largest by {differences.Max()}");
Console.WriteLine($"JeDiNative as a package: the reference's picture, largest difference {differences.Max()} of 255");

string[] Entries(string pattern)
{
    string[] found = [.. Directory.GetFiles(args[1], pattern).Where(path => !path.Contains("Extensions"))];
    Expect(found.Length == 1, $"there are {found.Length} {pattern} in the feed");
    using ZipArchive package = ZipFile.OpenRead(found[0]);
    return [.. package.Entries.Select(entry => entry.FullName)];
}

static void Expect(bool right, string otherwise)
{
    if (!right)
    {
        Console.Error.WriteLine($"package: {otherwise}");
        Environment.Exit(1);
    }
}
