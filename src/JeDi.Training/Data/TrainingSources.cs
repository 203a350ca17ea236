using JeDi.Files;
using JeDi.Files.Sets;

namespace JeDi.Training;

/// <summary>Where a run's sets come from.</summary>
/// <param name="Data">What is learnt from.</param>
/// <param name="Prior">Images of the class, with a loss of their own.</param>
/// <param name="Validation">Held out, for judging.</param>
sealed record TrainingSources(IReadOnlyList<ISetSource> Data, ISetSource? Prior, ISetSource? Validation)
{
    /// <exception cref="TrainingException">A source cannot be opened: says why.</exception>
    public static TrainingSources Open(TrainingOptions options, Func<string, bool, ISetSource> open)
    {
        try
        {
            return new TrainingSources(
                [.. options.Data.Select(name => open(name, false))],
                options.Prior is null ? null : open(options.Prior, false),
                options.Validation is null ? null : open(options.Validation, true));
        }
        catch (FileException error)
        {
            throw new TrainingException(error.Message);
        }
    }
}
