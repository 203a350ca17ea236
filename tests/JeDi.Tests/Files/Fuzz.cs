using System.Diagnostics;
using JeDi.Files;
using JeDi.Models;

namespace JeDi.Tests.Files;

/// <summary>
/// Thousands of damaged files from good ones, the same in every run. A reader may succeed or throw <see cref="FileException"/> or
/// <see cref="CheckpointException"/> with one line; it may not throw anything else, take long, or allocate more than 64 MB and 16 times
/// the file.
/// </summary>
static class Fuzz
{
    const long FreeBytes = 64L << 20;
    const int BytesPerFileByte = 16;
    static readonly TimeSpan longest = TimeSpan.FromSeconds(10);

    /// <summary>How many times the usual number of mutations is tried.</summary>
    static int Factor { get; } = int.Parse(Environment.GetEnvironmentVariable("JEDI_FUZZ") ?? "1");

    /// <summary>Numbers at which readers stumble, little and big endian.</summary>
    static readonly byte[][] numbers =
    [
        [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0x80, 0, 0, 0], [0, 0, 0, 0x80],
        [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], "-1"u8.ToArray(), "9223372036854775807"u8.ToArray(), "1e999"u8.ToArray(),
    ];

    /// <summary>
    /// Gives <paramref name="count"/> mutations of the seeds in turn to <paramref name="read"/>; returns how many were read and how many
    /// refused.
    /// </summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">Of the stream that the mutations are drawn from.</param>
    /// <param name="seeds">Good files.</param>
    /// <param name="read">Reads a file, or refuses it.</param>
    /// <param name="mutate">Another kind of damage than <see cref="Mutate"/>.</param>
    public static (int Read, int Refused) Run(
        int count, int seed, IReadOnlyList<byte[]> seeds, Action<byte[]> read, Func<byte[], System.Random, byte[]>? mutate = null)
    {
        var random = new System.Random(seed);
        int refused = 0;
        count *= Factor;
        for (int i = 0; i < count; i++)
        {
            byte[] file = (mutate ?? Mutate)(seeds[i % seeds.Count], random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            var time = Stopwatch.StartNew();
            try
            {
                read(file);
            }
            catch (Exception e) when (e is FileException or CheckpointException)
            {
                Assert.That(e.Message, Does.Not.Contain('\n').And.Not.Contain('\r'));
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"mutation {i} of seed {seed} ({Convert.ToBase64String(file[..Math.Min(file.Length, 3000)])}): {e}");
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.That(allocated, Is.LessThanOrEqualTo(FreeBytes + BytesPerFileByte * file.LongLength), $"bytes taken by mutation {i}");
            Assert.That(time.Elapsed, Is.LessThan(longest), $"time of mutation {i}");
        }

        return (count - refused, refused);
    }

    /// <summary>One to four changes: bits, bytes, numbers, holes, insertions, repetitions, another end.</summary>
    public static byte[] Mutate(byte[] seed, System.Random random)
    {
        List<byte> file = [.. seed];
        for (int changes = random.Next(1, 5); changes > 0 && file.Count > 0; changes--)
        {
            // Half of the changes hit the first bytes, where headers are.
            int at = random.Next(random.Next(2) == 0 ? file.Count : Math.Min(file.Count, 64));
            int length = Math.Min(random.Next(1, 17), file.Count - at);
            switch (random.Next(7))
            {
                case 0:
                    file[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    file[at] = (byte)random.Next(256);
                    break;
                case 2:
                    byte[] number = numbers[random.Next(numbers.Length)];
                    file.RemoveRange(at, Math.Min(number.Length, file.Count - at));
                    file.InsertRange(at, number);
                    break;
                case 3:
                    file.RemoveRange(at, length);
                    break;
                case 4:
                    file.InsertRange(random.Next(file.Count), file.GetRange(at, length));
                    break;
                case 5:
                    var bytes = new byte[length];
                    random.NextBytes(bytes);
                    file.InsertRange(at, bytes);
                    break;
                default:
                    file.RemoveRange(at, file.Count - at);
                    break;
            }
        }

        return [.. file];
    }
}
