namespace JeDi.Evaluation;

/// <summary>A picture on disk, and the picture that is white where its subject is.</summary>
/// <param name="File">The picture.</param>
/// <param name="Mask">Null: its alpha, if it has any.</param>
public sealed record MaskedPicture(string File, string? Mask = null);

/// <summary>A generated picture with what it was asked for.</summary>
/// <param name="Picture">The result.</param>
/// <param name="Subject">Whom it shows.</param>
/// <param name="Prompt">What was asked for; null: text is not judged.</param>
/// <param name="References">Real pictures of the subject.</param>
public sealed record JudgedPicture(MaskedPicture Picture, string Subject, string? Prompt, IReadOnlyList<MaskedPicture> References);
