using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using JeDi.Cuda;
using JeDi.Cuda.Compiling;

namespace JeDi.Tests.Cuda;

/// <summary>The structs that carry a kernel's arguments have, field by field, the size and the offsets that NVRTC gives them.</summary>
public sealed class ArgsTests
{
    static IEnumerable<Type> Structs => typeof(CudaDevice).Assembly.GetTypes()
        .Where(type => type.IsValueType && type.Name.EndsWith("Args", StringComparison.Ordinal));

    [TestCaseSource(nameof(Structs))]
    public void LayoutIsThatOfTheSource(Type type)
    {
        if (!Compiler.IsThere)
        {
            Assert.Ignore(Compiler.Missing);
        }

        string definition = Definitions(type.Name).FirstOrDefault() ?? "";
        Assert.That(definition, Is.Not.Empty, $"no kernel has a struct {type.Name}");
        var text = new StringBuilder("#include \"lib/types.cuh\"\n").Append(definition).Append('\n');
        text.Append($"static_assert(sizeof({type.Name}) == {Marshal.SizeOf(type)}, \"size of {type.Name}\");\n");
        foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
        {
            string name = char.ToLowerInvariant(field.Name[0]) + field.Name[1..];
            text.Append($"static_assert(__INTADDR__(&(({type.Name}*)0)->{name}) == {Marshal.OffsetOf(type, field.Name)}, \"{name}\");\n");
        }

        byte[] source = Encoding.UTF8.GetBytes(text.Append('\0').ToString());
        Assert.DoesNotThrow(() => Compiler.Compile(type.Name, source, ["-DT=f16"], "compute_80"));
    }

    /// <summary>Where a struct of that name is defined, in kernels and their headers.</summary>
    static IEnumerable<string> Definitions(string name) => KernelSources.Kernels.Select(KernelSources.Text)
        .Concat(KernelSources.Headers.Select(header => header.Text))
        .Select(text => Regex.Match(Encoding.UTF8.GetString(text), $@"struct {name} \{{.*?\n\}};", RegexOptions.Singleline))
        .Where(match => match.Success)
        .Select(match => match.Value);
}
