using JeDi.Sampling;

namespace JeDi.Cli.Requests;

/// <summary>Wishes that change nothing together with the others: no error, but worth a line.</summary>
static class WithoutEffect
{
    /// <param name="given">As wished.</param>
    /// <param name="repeated">Of the picture that is made again: what comes from there was not asked for now.</param>
    /// <param name="resolved">With the model's defaults.</param>
    /// <param name="previewEvery">Steps between previews; 0: none wished.</param>
    /// <param name="evaluations">Of the network, in the run.</param>
    public static IEnumerable<string> Lines(
        SampleSettings given, SampleSettings? repeated, SampleSettings resolved, int previewEvery, int evaluations)
    {
        bool references = given.Reference.Length > 0;
        bool oneScale = resolved.Guidance is "joint" or "text-only";
        if (given.ImageScale is not null && given.ImageScale != repeated?.ImageScale && (oneScale || !references))
        {
            yield return references
                ? $"--image-scale changes nothing in {resolved.Guidance} guidance; it counts in text-first and image-first"
                : "--image-scale changes nothing without --reference";
        }

        if (previewEvery >= evaluations)
        {
            yield return $"--preview {previewEvery}: none will come, the run has {evaluations} "
                + (evaluations == 1 ? "step" : "steps, the last of which is the picture");
        }

        if (given.PreviewVae is not null && previewEvery == 0)
        {
            yield return "--preview-vae changes nothing without --preview";
        }

        if (!string.IsNullOrEmpty(given.Negative) && given.Negative != repeated?.Negative && resolved.TextScale == 1 && oneScale)
        {
            yield return "--negative changes nothing at --text-scale 1, where nothing is guided away from it";
        }

        if (given.ReferenceNoise is not null && given.ReferenceNoise != repeated?.ReferenceNoise && !references)
        {
            yield return "--reference-noise changes nothing without --reference";
        }

        if (given.Fit is not null && given.Fit != repeated?.Fit && !references && given.Init is null)
        {
            yield return "--fit changes nothing without --reference or --init";
        }
    }
}
