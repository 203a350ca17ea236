namespace JeDi.Models;

/// <summary>Older files call the attention of the VAE differently.</summary>
static class VaeNames
{
    static readonly (string New, string Old)[] table =
    [
        (".to_q.", ".query."),
        (".to_k.", ".key."),
        (".to_v.", ".value."),
        (".to_out.0.", ".proj_attn."),
    ];

    /// <summary>The older name of a tensor; the same for all others.</summary>
    public static string Old(string name)
    {
        foreach ((string newer, string older) in table)
        {
            name = name.Replace(newer, older, StringComparison.Ordinal);
        }

        return name;
    }
}
