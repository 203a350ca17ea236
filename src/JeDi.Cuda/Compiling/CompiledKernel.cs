using System.Buffers.Binary;
using System.Security.Cryptography;

namespace JeDi.Cuda.Compiling;

/// <summary>What the compiler made of one source: machine code of one architecture, PTX, and its log with registers and spills.</summary>
/// <param name="Cubin">Machine code; empty where the architecture was a virtual one.</param>
/// <param name="Ptx">PTX, ended by a zero.</param>
/// <param name="Log">What the compiler said.</param>
sealed record CompiledKernel(byte[] Cubin, byte[] Ptx, byte[] Log)
{
    static ReadOnlySpan<byte> Magic => "JeDiKrn1"u8;

    /// <summary>As a file: magic, hash of the rest, three lengths, three parts.</summary>
    public byte[] ToFile()
    {
        int header = Magic.Length + SHA256.HashSizeInBytes;
        var file = new byte[header + 3 * sizeof(int) + Cubin.Length + Ptx.Length + Log.Length];
        Magic.CopyTo(file);
        int at = header;
        foreach (byte[] part in (byte[][])[Cubin, Ptx, Log])
        {
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), part.Length);
            at += sizeof(int);
        }

        foreach (byte[] part in (byte[][])[Cubin, Ptx, Log])
        {
            part.CopyTo(file, at);
            at += part.Length;
        }

        SHA256.HashData(file.AsSpan(header), file.AsSpan(Magic.Length, SHA256.HashSizeInBytes));
        return file;
    }

    /// <summary>Null where the file is no such file, is damaged or was cut.</summary>
    public static CompiledKernel? FromFile(byte[] file)
    {
        int header = Magic.Length + SHA256.HashSizeInBytes;
        int parts = header + 3 * sizeof(int);
        if (file.Length < parts || !file.AsSpan(0, Magic.Length).SequenceEqual(Magic)
            || !SHA256.HashData(file.AsSpan(header)).AsSpan().SequenceEqual(file.AsSpan(Magic.Length, SHA256.HashSizeInBytes)))
        {
            return null;
        }

        var found = new byte[3][];
        int at = parts;
        for (int i = 0; i < found.Length; i++)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(header + i * sizeof(int)));
            found[i] = file[at..(at + length)];
            at += length;
        }

        return new CompiledKernel(found[0], found[1], found[2]);
    }
}
