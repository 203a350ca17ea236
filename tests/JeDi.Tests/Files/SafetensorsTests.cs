using System.Runtime.InteropServices;
using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Files;

/// <summary>What is written is read back: every type, every size, several files, more than 2 GB.</summary>
public sealed class SafetensorsTests
{
    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void EveryTypeComesBack()
    {
        SafetensorsType[] types = Enum.GetValues<SafetensorsType>();
        SafetensorsItem[] items =
        [
            .. types.Select((type, i) => new SafetensorsItem($"of {type}", type, [2 * i, 2])),
            new SafetensorsItem("scalar", SafetensorsType.F32, []),
            new SafetensorsItem("Größe \"日本\" 🐕", SafetensorsType.U8, [5]),
        ];
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["a\n\"b\""] = "{\"x\": 1}" };
        string path = folder.At("types.safetensors");
        SafetensorsWriter.Write(path, items, metadata, (item, stream) => stream.Write(Content(item)));

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Metadata, Is.EqualTo(metadata));
        Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(items.Select(item => item.Name)));
        Assert.That(file.Entries[0].Offset % 8, Is.Zero);
        foreach (SafetensorsItem item in items)
        {
            SafetensorsEntry entry = file.Find(item.Name)!;
            var bytes = new byte[entry.Bytes];
            file.Read(entry, bytes);
            Assert.That(entry.Type, Is.EqualTo(item.Type));
            Assert.That(entry.Shape, Is.EqualTo(item.Shape));
            Assert.That(bytes, Is.EqualTo(Content(item)), item.Name);
        }
    }

    [Test]
    public void HalvesAreWidenedExactly() => AssertFloats(
        SafetensorsType.F16,
        AllBitPatterns,
        i => (float)BitConverter.UInt16BitsToHalf((ushort)i));

    [Test]
    public void BrainFloatsAreWidenedExactly() => AssertFloats(
        SafetensorsType.BF16,
        AllBitPatterns,
        i => BitConverter.UInt32BitsToSingle((uint)i << 16));

    [Test]
    public void DoublesAreRounded()
    {
        double[] values = [.. Enumerable.Range(0, 70_000).Select(i => (i - 30_000) / 7.0)];
        AssertFloats(SafetensorsType.F64, MemoryMarshal.AsBytes<double>(values).ToArray(), i => (float)values[i]);
    }

    [Test]
    public void SmallTypesAreRoundedToNearestEven()
    {
        float[] values = [1, 1 + 1 / 256f, 1 + 3 / 256f, 1 + 1 / 2048f, 1 + 3 / 2048f, -0f, 65519, float.PositiveInfinity, float.NaN];
        var brain = new ushort[values.Length];
        var half = new ushort[values.Length];
        Floats.ToBFloat16(values, brain);
        Floats.ToHalf(values, half);
        Assert.That(brain[..8], Is.EqualTo(new ushort[] { 0x3F80, 0x3F80, 0x3F82, 0x3F80, 0x3F80, 0x8000, 0x4780, 0x7F80 }));
        Assert.That(half, Is.EqualTo(values.Select(value => BitConverter.HalfToUInt16Bits((Half)value))));
        Assert.That(brain[8] & 0x7FFF, Is.GreaterThan(0x7F80));
    }

    [Test]
    public void WholeNumbersAreNoFloats()
    {
        string path = Write("whole", SafetensorsType.I64, new byte[16]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(() => file.ReadFloats(file.Entries[0]), Throws.TypeOf<FileException>().With.Message.Contains("I64"));
    }

    /// <summary>The file is sparse: it takes 2.5 GB of addresses and next to no disk.</summary>
    [Test]
    public void FilesOverTwoGigabytesAreRead()
    {
        const long large = 2_500_000_000;
        string header = $$$"""
            {"a":{"dtype":"U8","shape":[{{{large}}}],"data_offsets":[0,{{{large}}}]},
            "b":{"dtype":"F32","shape":[2],"data_offsets":[{{{large}}},{{{large + 8}}}]}}
            """;
        string path = folder.At("large.safetensors");
        using (FileStream stream = File.Create(path))
        {
            stream.Write(HostileHeaderTests.File(header, 0));
            stream.Position += large - 1;
            stream.WriteByte(7);
            stream.Write(MemoryMarshal.AsBytes<float>([1.5f, -2]));
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        var last = new byte[1];
        file.Read(file.Find("a")!, last, large - 1);
        Assert.That(last[0], Is.EqualTo(7));
        Assert.That(file.ReadFloats(file.Find("b")!), Is.EqualTo(new[] { 1.5f, -2 }));
    }

    [Test]
    public void ThreadsReadAtOnce()
    {
        float[] values = Recipe.Tensor("threads", 300_000);
        using SafetensorsFile file = SafetensorsFile.Open(Write("threads", SafetensorsType.F32,
            MemoryMarshal.AsBytes<float>(values).ToArray()));
        var read = new float[values.Length];
        Parallel.For(0, 30, i => file.ReadFloats(file.Entries[0], read.AsSpan(i * 10_000, 10_000), i * 10_000));
        Assert.That(read.AsSpan().SequenceEqual(values));
    }

    [Test]
    public void FileCutShortWhileOpenIsAnError()
    {
        string path = Write("shrinks", SafetensorsType.U8, new byte[1000]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(500);
        }

        Assert.That(() => file.Read(file.Entries[0], new byte[1000]), Throws.TypeOf<FileException>());
    }

    [Test]
    public void IndexNamesSeveralFiles()
    {
        Write("part-1", SafetensorsType.U8, [1, 2], "x");
        Write("part-2", SafetensorsType.U8, [3], "y");
        string index = folder.At("model.safetensors.index.json");
        File.WriteAllText(index, """{"metadata":{"total_size":3},"weight_map":{"x":"part-1.safetensors","y":"part-2.safetensors"}}""");
        using SafetensorsSet set = SafetensorsSet.Open(index);
        Assert.That(set.Entries.Select(entry => entry.Name), Is.EquivalentTo(["x", "y"]));
        Assert.That(set.TryFind("y", out SafetensorsFile file, out SafetensorsEntry found));
        Assert.That((file.Path, found.Bytes), Is.EqualTo((folder.At("part-2.safetensors"), 1)));
    }

    [TestCase("""{"weight_map":{"x":"none.safetensors"}}""")]
    [TestCase("""{"weight_map":{"x":"../part-1.safetensors"}}""")]
    [TestCase("""{"weight_map":{"x":7}}""")]
    [TestCase("""{"weight_map":[]}""")]
    [TestCase("[]")]
    [TestCase("")]
    public void BadIndexIsAnError(string json)
    {
        string index = folder.At("bad.index.json");
        File.WriteAllText(index, json);
        Assert.That(() => SafetensorsSet.Open(index), Throws.TypeOf<FileException>());
    }

    /// <summary>Every 16-bit number, as bytes.</summary>
    static byte[] AllBitPatterns => [.. Enumerable.Range(0, 1 << 16).SelectMany(i => new[] { (byte)i, (byte)(i >> 8) })];

    void AssertFloats(SafetensorsType type, byte[] bytes, Func<int, float> wanted)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Write($"floats-{type}", type, bytes));
        SafetensorsEntry entry = file.Entries[0];
        float[] values = file.ReadFloats(entry);
        Assert.That(values.Length, Is.EqualTo(8 * bytes.Length / type.Bits()));
        for (int i = 0; i < values.Length; i++)
        {
            Assert.That(values[i], Is.EqualTo(wanted(i)), $"element {i}");
        }

        var part = new float[100];
        file.ReadFloats(entry, part, 333);
        Assert.That(part, Is.EqualTo(values[333..433]));
    }

    string Write(string name, SafetensorsType type, byte[] bytes, string tensor = "tensor")
    {
        string path = folder.At($"{name}.safetensors");
        SafetensorsItem item = new(tensor, type, [8 * bytes.Length / type.Bits()]);
        SafetensorsWriter.Write(path, [item], null, (_, stream) => stream.Write(bytes));
        return path;
    }

    static byte[] Content(SafetensorsItem item) => [.. Enumerable.Range(0, (int)item.Bytes).Select(i => (byte)(i * 7 + item.Name.Length))];
}
