namespace JeDi.Files.Safetensors;

/// <summary>Recognises PyTorch's pickle files, which are programs and are never run.</summary>
static class Pickle
{
    /// <summary>What to say of a file that starts like a pickle or the zip around one; null for other files.</summary>
    public static string? Describe(ReadOnlySpan<byte> first)
    {
        bool zip = first.StartsWith("PK\u0003\u0004"u8);
        bool pickle = first.Length > 2 && first[0] == 0x80 && first[1] is >= 2 and <= 5;
        return zip || pickle
            ? "is a PyTorch pickle (.ckpt, .bin, .pt), which can run code when it is loaded and is refused; convert it in Python: "
                + "safetensors.torch.save_file(torch.load(f, weights_only=True)[\"state_dict\"], \"model.safetensors\")"
            : null;
    }
}
