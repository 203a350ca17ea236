using System.Reflection;
using System.Text.RegularExpressions;
using JeDi.Tensors;

namespace JeDi.Tests.Invariants;

/// <summary>What a reader may rely on in the sources.</summary>
public sealed class SourceTests
{
    const int MaxLines = 400;
    const int MaxColumns = 140;

    /// <summary>Ops whose method has another name than the kernel it calls.</summary>
    static readonly Dictionary<string, string> opNames = new() { [nameof(Kernels.Gemm)] = "Linear" };

    static IEnumerable<string> KernelNames => typeof(Kernels)
        .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(method => method.IsAbstract)
        .Select(method => method.Name);

    /// <summary>What only training computes.</summary>
    static readonly HashSet<string> trainingOps =
    [
        nameof(Gradients.SquaredError), nameof(Gradients.SampleGaussian), nameof(Gradients.SampleGaussianBackward),
        nameof(Gradients.Divergence), nameof(Gradients.Activate), nameof(Gradients.Clip), nameof(Gradients.AdamW),
    ];

    static IEnumerable<string> GradientNames => typeof(Gradients)
        .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(method => method.IsAbstract)
        .Select(method => method.Name);

    [Test]
    public void FilesAreShort() =>
        Assert.That(Sources.Ending(".cs").Where(path => Sources.Lines(path).Length > MaxLines), Is.Empty, $"over {MaxLines} lines");

    [Test]
    public void LinesAreShort()
    {
        IEnumerable<string> found = Sources.Ending(".cs").SelectMany(path => Sources.Lines(path).Index()
            .Where(line => line.Item.Length > MaxColumns)
            .Select(line => $"{path}:{line.Index + 1}"));
        Assert.That(string.Join('\n', found), Is.Empty, $"over {MaxColumns} columns");
    }

    /// <summary>One op, one name: the kernel of the seam, its method of Ops, its CPU kernel.</summary>
    [TestCaseSource(nameof(KernelNames))]
    public void KernelHasItsOpAndItsCpuKernel(string kernel)
    {
        string op = opNames.GetValueOrDefault(kernel, kernel);
        Assert.That(typeof(Ops).GetMethods().Select(method => method.Name), Does.Contain(op), $"Ops has no {op}");
        string body = $"override void {kernel}(";
        IEnumerable<string> found = Sources.Ending(".cs")
            .Where(path => path.StartsWith("src/JeDi.Cpu/Kernels/", StringComparison.Ordinal) && Sources.Text(path).Contains(body));
        Assert.That(found, Has.Exactly(1).Items, $"'{body}' in src/JeDi.Cpu/Kernels");
    }

    /// <summary>One gradient, one name: a kernel of the same name or an op of training alone, and its CPU kernel.</summary>
    [TestCaseSource(nameof(GradientNames))]
    public void GradientHasItsKernelAndItsCpuKernel(string gradient)
    {
        if (!trainingOps.Contains(gradient))
        {
            Assert.That(KernelNames, Does.Contain(gradient), $"Kernels has no {gradient}");
        }

        string body = $"override void {gradient}(";
        IEnumerable<string> found = Sources.Ending(".cs")
            .Where(path => path.StartsWith("src/JeDi.Cpu/Gradients/", StringComparison.Ordinal) && Sources.Text(path).Contains(body));
        Assert.That(found, Has.Exactly(1).Items, $"'{body}' in src/JeDi.Cpu/Gradients");
    }

    /// <summary>Nothing is left undone in the code, no test passes without asserting, nothing names the place it was written at.</summary>
    [Test]
    public void NothingIsLeftUndone()
    {
        // Written in halves, so that this file does not name them either.
        var words = new Regex("TO" + "DO|FIX" + "ME|NotImplemented" + @"Exception|\bHA" + @"CK\b|Assert\.Pa" + @"ss\(");
        var places = new Regex(string.Join('|', [@"(^|[\s""'`(=])/wor" + "k/", @"/tm" + "p/", "/hom" + "e/", "/roo" + "t/"]));
        IEnumerable<string> code = Sources.Ending(".cs", ".csproj", ".props").SelectMany(path => Matches(path, words));
        IEnumerable<string> all = Sources.Ending(".cs", ".csproj", ".props", ".md", ".json", ".py", "run").SelectMany(path =>
            Matches(path, places));
        Assert.That(string.Join('\n', code.Concat(all)), Is.Empty);
    }

    static IEnumerable<string> Matches(string path, Regex words) => Sources.Lines(path).Index()
        .Where(line => words.IsMatch(line.Item))
        .Select(line => $"{path}:{line.Index + 1}: {line.Item.Trim()}");
}
