using System.Buffers.Binary;
using System.Text;
using JeDi.Files;
using JeDi.Files.Safetensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Files;

/// <summary>Files that are no safetensors files, or lie: one line that names the file and the matter.</summary>
public sealed class HostileHeaderTests
{
    const string Good = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}""";

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void GoodHeaderIsRead()
    {
        using SafetensorsFile file = Open(File(Good, 12));
        Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "a", "b" }));
    }

    /// <summary>As the reference reader: no metadata at all, keys of an entry that nobody knows, Python's words for numbers.</summary>
    [TestCase("""{"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"form":{"deep":[[{"x":[1]}]]},"data_offsets":[0,4],"by":"me"}}""")]
    [TestCase("""{"a":{"dtype":"F32","lowest":-Infinity,"mean":NaN,"shape":[1],"data_offsets":[0,4],"most":[Infinity]}}""")]
    public void LibertiesAreTaken(string header)
    {
        string path = folder.At("liberty.safetensors");
        System.IO.File.WriteAllBytes(path, File(header, 4));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "a" }));
        Assert.That(file.ReadFloats(file.Entries[0]), Has.Length.EqualTo(1));
    }

    [TestCase("overlap", """[8,12]""", "[4,8]", 12, "overlaps")]
    [TestCase("hole", """[8,12]""", "[9,13]", 13, "hole")]
    [TestCase("negative", "[0,8]", "[-8,0]", 12, "negative")]
    [TestCase("backwards", "[0,8]", "[8,0]", 12, "no range")]
    [TestCase("fractional", "[0,8]", "[0,8.5]", 12, "no integer")]
    [TestCase("out of range", "[8,12]", "[8,9223372036854775807]", 12, "")]
    [TestCase("over 64 bits", "[8,12]", "[8,99999999999999999999]", 12, "no integer")]
    [TestCase("wrong size", "[2]", "[3]", 12, "takes 12")]
    [TestCase("shape overflow", "[2]", "[4294967296,4294967296,2]", 12, "impossible shape")]
    [TestCase("half a byte", "\"U8\",\"shape\":[4]", "\"F4\",\"shape\":[7]", 12, "impossible shape")]
    [TestCase("bytes overflow", "[2]", "[4611686018427387904]", 12, "impossible shape")]
    [TestCase("negative shape", "[2]", "[-2]", 12, "negative")]
    [TestCase("shape of texts", "[2]", "[\"2\"]", 12, "no number")]
    [TestCase("nested shape", "[2]", "[[2]]", 12, "no number")]
    [TestCase("three offsets", "[0,8]", "[0,4,8]", 12, "one too many")]
    [TestCase("duplicate", "\"b\"", "\"a\"", 12, "twice")]
    [TestCase("duplicate through an escape", "\"b\"", "\"\\u0061\"", 12, "twice")]
    [TestCase("unknown type", "F32", "F33", 12, "F33")]
    [TestCase("type by number", "\"F32\"", "11", 12, "dtype")]
    [TestCase("type as a number's text", "F32", "11", 12, "unknown type")]
    [TestCase("lower case type", "F32", "f32", 12, "unknown type")]
    [TestCase("no type", "\"dtype\":\"F32\",", "", 12, "lacks")]
    [TestCase("twice a key", "\"shape\":[2]", "\"shape\":[2],\"shape\":[2]", 12, "repeated")]
    [TestCase("entry is a list", "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", "[]", 12, "not an object")]
    [TestCase("entry is null", "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", "null", 12, "not an object")]
    [TestCase("metadata of numbers", "\"a\":", "\"__metadata__\":{\"x\":1},\"a\":", 12, "metadata")]
    [TestCase("cut short", "", "", 11, "cut short")]
    [TestCase("too long", "", "", 13, "1 bytes after")]
    [TestCase("not JSON", "{\"a\"", "{a", 12, "not valid JSON")]
    [TestCase("text behind", "]}}", "]}} x", 12, "JSON")]
    [TestCase("second object behind", "]}}", "]}} {}", 12, "JSON")]
    [TestCase("a list", Good, "[]", 0, "not a JSON object")]
    [TestCase("unpaired surrogate", "\"b\"", "\"\\ud800\"", 12, "JSON")]
    [TestCase("line break in a name", "\"b\":{\"dtype\":\"U8\"", "\"b\\nc\":{\"dtype\":\"U9\"", 12, "U9")]
    public void LiesAreRefused(string name, string part, string lie, int bytes, string message)
    {
        string header = part.Length == 0 ? Good : Good.Replace(part, lie);
        Assert.That(header != Good || bytes != 12, $"'{name}' changes nothing");
        AssertRefused(File(header, bytes), message);
    }

    [Test]
    public void EveryTruncationIsRefused()
    {
        byte[] whole = File(Good, 12);
        for (int length = 0; length < whole.Length; length++)
        {
            AssertRefused(whole[..length], "");
        }
    }

    [TestCase(0ul)]
    [TestCase(1ul)]
    [TestCase(100_000_001ul)]
    [TestCase(1ul << 40)]
    [TestCase(1ul << 63)]
    [TestCase(ulong.MaxValue)]
    public void ImpossibleHeaderLengthIsRefusedUnread(ulong length)
    {
        byte[] file = File(Good, 12);
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        AssertRefused(file, "");
    }

    [Test]
    public void PicklesAreRefusedWithTheWayOut()
    {
        AssertRefused([.. "PK\u0003\u0004"u8, .. new byte[100]], "save_file");
        AssertRefused([0x80, 2, .. new byte[100]], "save_file");
    }

    [TestCase("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull")]
    [TestCase("<!DOCTYPE html><html><head></head></html>", "web page")]
    [TestCase("GGUF\u0003\0\0\0\0\0\0\0", "GGUF")]
    [TestCase("\0\0\0\0\0\0\0\0\0\0\0\0", "zeros")]
    [TestCase("{\"error\": \"not found\"}", "text")]
    public void OtherFilesAreNamed(string text, string message) => AssertRefused(Encoding.UTF8.GetBytes(text), message);

    [Test]
    public void MissingFilesAndFoldersAreErrors()
    {
        Assert.That(() => SafetensorsFile.Open(folder.At("none")),
            Throws.TypeOf<FileException>().With.Message.EqualTo($"{folder.At("none")}: no such file"));
        Assert.That(() => SafetensorsFile.Open(folder.Path), Throws.TypeOf<FileException>());
    }

    /// <summary>A file with this header and that many bytes of data.</summary>
    public static byte[] File(string header, int bytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + bytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        return file;
    }

    SafetensorsFile Open(byte[] bytes)
    {
        string path = folder.At("file.safetensors");
        System.IO.File.WriteAllBytes(path, bytes);
        return SafetensorsFile.Open(path);
    }

    void AssertRefused(byte[] bytes, string message)
    {
        FileException? error = Assert.Throws<FileException>(() => Open(bytes).Dispose());
        Assert.That(error!.Message, Does.StartWith(folder.At("file.safetensors") + ": ").And.Contains(message).And.Not.Contains('\n'));
    }
}
