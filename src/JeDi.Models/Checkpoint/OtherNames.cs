namespace JeDi.Models;

/// <summary>What tensors were called at other times.</summary>
static class OtherNames
{
    const string TextModule = "text_model.";

    static readonly (string New, string Old)[] vaeAttention =
    [
        (".to_q.", ".query."),
        (".to_k.", ".key."),
        (".to_v.", ".value."),
        (".to_out.0.", ".proj_attn."),
    ];

    /// <summary>What a component is called in messages.</summary>
    public static string Part(Component component) => component switch
    {
        Component.UNet => "U-Net",
        Component.Vae => "VAE",
        _ => "text encoder",
    };

    /// <summary>
    /// The spellings of a name of the folder form, today's first: the attention of older VAEs, text encoders without their outer module.
    /// </summary>
    public static IEnumerable<string> Spellings(Component component, string name)
    {
        yield return name;
        string other = component switch
        {
            Component.Vae => OldAttention(name),
            Component.TextEncoder when name.StartsWith(TextModule, StringComparison.Ordinal) => name[TextModule.Length..],
            _ => name,
        };
        if (other != name)
        {
            yield return other;
        }
    }

    static string OldAttention(string name)
    {
        foreach ((string newer, string older) in vaeAttention)
        {
            name = name.Replace(newer, older, StringComparison.Ordinal);
        }

        return name;
    }
}
