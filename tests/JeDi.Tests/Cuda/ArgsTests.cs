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

        (string definition, string constants) = Definitions(type.Name).FirstOrDefault();
        Assert.That(definition, Is.Not.Null, $"no kernel has a struct {type.Name}");
        string[] names = [.. Regex.Matches(definition, @"(\w+)(\[\w+\])?;").Select(match => match.Groups[1].Value)];
        FieldInfo[] fields = type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance);
        Assert.That(fields, Has.Length.EqualTo(names.Length), definition);
        var text = new StringBuilder("#include \"lib/types.cuh\"\n").Append(constants).Append(definition).Append('\n');
        text.Append($"static_assert(sizeof({type.Name}) == {Marshal.SizeOf(type)}, \"size of {type.Name}\");\n");
        foreach ((FieldInfo field, string name) in fields.Zip(names))
        {
            text.Append($"static_assert(__INTADDR__(&(({type.Name}*)0)->{name}) == {Marshal.OffsetOf(type, field.Name)}, \"{name}\");\n");
        }

        byte[] source = Encoding.UTF8.GetBytes(text.Append('\0').ToString());
        Assert.DoesNotThrow(() => Compiler.Compile(type.Name, source, ["-DT=f16", "-DTY=f16"], "compute_80"));
    }

    /// <summary>Where a struct of that name is defined, in kernels and their headers, and the constants there.</summary>
    static IEnumerable<(string Definition, string Constants)> Definitions(string name) =>
        KernelSources.Kernels.Select(KernelSources.Text).Concat(KernelSources.Headers.Select(header => header.Text))
            .Select(bytes => Encoding.UTF8.GetString(bytes))
            .Where(text => text.Contains($"struct {name} {{"))
            .Select(text => (
                Regex.Match(text, $@"struct {name} \{{.*?\n\}};", RegexOptions.Singleline).Value,
                string.Concat(Regex.Matches(text, @"^constexpr i32 \w+ = \d+;\n", RegexOptions.Multiline).Select(match => match.Value))));
}
