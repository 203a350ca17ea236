using System.Runtime.InteropServices;
using JeDi.Files;
using JeDi.Files.Images;
using JeDi.Files.Safetensors;
using JeDi.Tests.Models;

namespace JeDi.Tests.Files;

/// <summary>A writer that fails after k bytes, for each k in turn, leaves no file, harms none, and says one line.</summary>
public sealed class AtomicFileTests
{
    static readonly byte[] before = [1, 2, 3];

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    static IEnumerable<TestCaseData> Writers()
    {
        yield return Writer("bytes", (path, wrap) => AtomicFile.Write(path, new byte[100], wrap));
        yield return Writer("safetensors", (path, wrap) =>
        {
            SafetensorsItem[] items = [new("a", SafetensorsType.F32, [5]), new("b", SafetensorsType.U8, [3])];
            SafetensorsWriter.Write(path, items, null, (item, stream) => stream.Write(new byte[item.Bytes]), wrap);
        });
        yield return Writer("png", (path, wrap) =>
            PngWriter.Write(path, new PixelImage(3, 2, new byte[18]), [("parameters", "a dog"), ("jedi", "{}")], wrap));
    }

    static TestCaseData Writer(string name, Action<string, Func<Stream, Stream>?> write) =>
        new TestCaseData(write).SetArgDisplayNames(name);

    [TestCaseSource(nameof(Writers))]
    public void FailureAfterAnyByteLeavesNothing(Action<string, Func<Stream, Stream>?> write)
    {
        string fresh = folder.At("fresh");
        string existing = folder.At("existing");
        write(fresh, null);
        long bytes = new FileInfo(fresh).Length;
        File.Delete(fresh);
        File.WriteAllBytes(existing, before);
        for (long k = 0; k < bytes; k++)
        {
            foreach (string path in new[] { fresh, existing })
            {
                FileException? error = Assert.Throws<FileException>(() => write(path, stream => new FullDisk(stream, k)),
                    $"after {k} bytes");
                Assert.That(error!.Message, Is.EqualTo($"{path}: cannot be written: no space left on the device"));
            }

            Assert.That(Directory.GetFiles(folder.Path), Is.EqualTo(new[] { existing }));
        }

        Assert.That(File.ReadAllBytes(existing), Is.EqualTo(before));
        write(existing, stream => new FullDisk(stream, bytes));
        Assert.That(new FileInfo(existing).Length, Is.EqualTo(bytes));
        File.Delete(existing);
    }

    [Test]
    public void WriterThatThrowsAnythingLeavesNothing()
    {
        string path = folder.At("thrown");
        Assert.That(() => AtomicFile.Write(path, _ => throw new OperationCanceledException()), Throws.TypeOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(folder.Path, "thrown*"), Is.Empty);
    }

    [Test]
    public void TensorOfAnotherSizeThanAnnouncedLeavesNothing()
    {
        string path = folder.At("short");
        SafetensorsItem[] items = [new("a", SafetensorsType.F32, [5])];
        Assert.That(
            () => SafetensorsWriter.Write(path, items, null, (_, stream) => stream.Write(MemoryMarshal.AsBytes<float>(new float[4]))),
            Throws.InvalidOperationException.With.Message.Contains("16 bytes, 20"));
        Assert.That(Directory.GetFiles(folder.Path, "short*"), Is.Empty);
    }

    [Test]
    public void FoldersThatCannotTakeAFileAreErrors()
    {
        Assert.That(() => AtomicFile.Write(folder.At("none/file"), before), Throws.TypeOf<FileException>());
        Assert.That(() => AtomicFile.Write(folder.Path, before), Throws.TypeOf<FileException>());
        Assert.That(() => AtomicFile.Write("/proc/file", before), Throws.TypeOf<FileException>());
    }

    /// <summary>Takes <paramref name="room"/> bytes, then fails like a full disk; what fits of the last write is written.</summary>
    sealed class FullDisk(Stream below, long room) : Stream
    {
        long left = room;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => below.Length;

        public override long Position
        {
            get => below.Position;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            int fits = (int)Math.Min(left, buffer.Length);
            below.Write(buffer[..fits]);
            left -= fits;
            if (fits < buffer.Length)
            {
                throw new IOException("no space left on the device");
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => below.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
