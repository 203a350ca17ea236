namespace JeDi.Files.Safetensors;

/// <summary>Files that are given for safetensors files and are something else, known by their first bytes.</summary>
static class Mistaken
{
    /// <summary>Bytes that <see cref="Describe"/> wants to see.</summary>
    public const int Look = 64;

    /// <summary>What to say of such a file; null for others.</summary>
    public static string? Describe(ReadOnlySpan<byte> first)
    {
        ReadOnlySpan<byte> text = first.TrimStart("\uFEFF \t\r\n"u8);
        bool zip = first.StartsWith("PK\u0003\u0004"u8);
        bool pickle = first.Length > 2 && first[0] == 0x80 && first[1] is >= 2 and <= 5;
        return zip || pickle
            ? "is a PyTorch pickle (.ckpt, .bin, .pt), which can run code when it is loaded and is refused; convert it in Python: "
                + "safetensors.torch.save_file(torch.load(f, weights_only=True)[\"state_dict\"], \"model.safetensors\")"
            : text.StartsWith("version https://git-lfs"u8)
            ? "is a git-lfs pointer, not the file itself; run git lfs pull in its repository, or download the file"
            : text.StartsWith("<!DOCTYPE"u8) || text.StartsWith("<!doctype"u8) || text.StartsWith("<html"u8) || text.StartsWith("<HTML"u8)
            ? "is a web page, not the file that its address seemed to be; download it again (sites may want a login)"
            : text.StartsWith("<?xml"u8) || text.StartsWith("<Error"u8)
            ? "is an answer of a server in XML, not the file itself; download it again"
            : first.StartsWith("GGUF"u8) || first.StartsWith("GGML"u8) || first.StartsWith("ggml"u8)
            ? "is a GGUF file, whose packed weights are not supported; use the safetensors files of the model"
            : first.StartsWith("\u0089HDF"u8)
            ? "is an HDF5 file, which is not supported; use the safetensors files of the model"
            : first.Length > 0 && first.IndexOfAnyExcept((byte)0) < 0
            ? "holds nothing but zeros: its download broke off; download it again"
            : text.StartsWith("{"u8) || text.StartsWith("Invalid"u8) || text.StartsWith("Access"u8) || text.StartsWith("Entry not"u8)
            ? "is a text (a server\u0027s message, perhaps), not a safetensors file; download it again"
            : null;
    }
}
