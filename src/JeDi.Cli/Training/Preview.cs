using JeDi.Files.Images;
using JeDi.Files.Sets;
using JeDi.Training;

namespace JeDi.Cli.Training;

/// <summary>
/// A grid of what the averaged weights make: in each row two images of a set, then pictures of its next caption with these two as
/// references, and without references.
/// </summary>
static class Preview
{
    const int Rows = 4;
    const int References = 2;
    const int Steps = 20;

    /// <summary>Writes the grid; what fails is told in a line, the training goes on.</summary>
    /// <param name="from">Model that the run began with.</param>
    /// <param name="checkpoint">Folder with a model of its own, or the changes of a LoRA.</param>
    public static void Write(string from, string checkpoint, string path, TrainingOptions options, Terminal terminal)
    {
        try
        {
            string lora = Path.Combine(checkpoint, Trainer.LoraFile);
            bool changes = File.Exists(lora);
            using JeDiEngine engine = JeDiEngine.Load(changes ? from : Path.Combine(checkpoint, Trainer.ModelFolder), new EngineOptions
            {
                Device = "cpu",
                Tokenizer = changes ? options.Tokenizer : null,
                Loras = changes ? [new LoraFile(lora)] : [],
            });
            PngWriter.Write(path, options.Trains("vae") ? Rebuilt(engine, options) : Sampled(engine, options));
            terminal.Out.WriteLine(path);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            terminal.Error.WriteLine($"no preview: {error.Message.ReplaceLineEndings(" ")}");
        }
    }

    static IEnumerable<ImageSet> Sets(TrainingOptions options, int size, int images)
    {
        ISetSource source = NamedSets.Open(options.Validation ?? options.Data[0], options.Validation is not null);
        return Enumerable.Range(0, source.Count)
            .Select(index => source.Load(index, size))
            .Where(set => set.Images.Count >= images)
            .Take(Rows);
    }

    static PixelImage Sampled(JeDiEngine engine, TrainingOptions options)
    {
        using JeDiSession with = engine.Prepare(new SessionShape(References, 1, options.Size, options.Size, Steps: Steps));
        using JeDiSession without = engine.Prepare(new SessionShape(0, 1, options.Size, options.Size, Steps: Steps));
        var pictures = new List<PixelImage>();
        foreach ((int row, ImageSet set) in Sets(options, with.Width, References + 1).Index())
        {
            var request = new JeDiRequest
            {
                Prompts = [set.Captions[References]],
                References =
                [
                    .. Enumerable.Range(0, References).Select(i => new Reference { Image = set.Images[i], Caption = set.Captions[i] }),
                ],
                Seed = row,
            };
            pictures.AddRange(set.Images.Take(References));
            pictures.Add(with.GenerateAsync(request).GetAwaiter().GetResult().Images[0]);
            pictures.Add(without.GenerateAsync(request with { References = [] }).GetAwaiter().GetResult().Images[0]);
        }

        return PixelImage.Grid(pictures);
    }

    /// <summary>Images beside what the autoencoder makes of them.</summary>
    static PixelImage Rebuilt(JeDiEngine engine, TrainingOptions options)
    {
        using JeDiSession session = engine.Prepare(new SessionShape(1, 1, options.Size, options.Size, Steps: 1));
        var pictures = new List<PixelImage>();
        foreach (ImageSet set in Sets(options, session.Width, 1))
        {
            foreach (PixelImage image in set.Images.Take(2))
            {
                pictures.Add(image);
                pictures.Add(session.Decode(session.Encode(image)));
            }
        }

        return PixelImage.Grid(pictures);
    }
}
