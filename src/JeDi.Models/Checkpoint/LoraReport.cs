namespace JeDi.Models;

/// <summary>What the names of a file say of the changes in it.</summary>
/// <param name="Kinds">LoRA, LoHa, ..., also those that cannot be merged.</param>
/// <param name="Modules">Number of modules that are changed.</param>
/// <param name="RankNames">Tensors whose first dimension is a rank.</param>
/// <param name="ChangesText">Whether the text encoder is among what is changed.</param>
public sealed record LoraReport(string Kinds, int Modules, IReadOnlySet<string> RankNames, bool ChangesText)
{
    /// <summary>Of a file with these names; null where none is part of a change.</summary>
    public static LoraReport? Of(IEnumerable<string> names)
    {
        List<string> all = [.. names];
        List<(string Name, string Module, LoraPart Part)> parts =
            [.. all.Select(name => (Name: name, Cut: LoraNames.Cut(name))).Where(cut => cut.Cut is not null)
                .Select(cut => (cut.Name, cut.Cut!.Value.Module, cut.Cut!.Value.Part))];
        string[] kinds = [.. parts.Select(part => Kind(part.Part)).Concat(all.Select(LoraNames.OtherKind)).OfType<string>().Distinct()];
        return kinds.Length == 0 ? null : new LoraReport(
            string.Join(", ", kinds),
            parts.Select(part => part.Module).Distinct().Count(),
            parts.Where(part => part.Part is LoraPart.Down or LoraPart.HadaW1B or LoraPart.LokrW2B).Select(part => part.Name).ToHashSet(),
            all.Any(name => name.StartsWith("lora_te", StringComparison.Ordinal) || name.Contains("text_encoder", StringComparison.Ordinal)
                || name.Contains("text_model", StringComparison.Ordinal)));
    }

    static string? Kind(LoraPart part) => part switch
    {
        LoraPart.Down or LoraPart.Up => "LoRA",
        LoraPart.Mid => "LoCon",
        LoraPart.Magnitude or LoraPart.DoraScale => "DoRA",
        LoraPart.Alpha or LoraPart.UpBias => null,
        LoraPart.Diff or LoraPart.DiffBias => "full difference",
        <= LoraPart.HadaT2 => "LoHa",
        _ => "LoKr",
    };
}
