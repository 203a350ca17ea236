using System.Diagnostics.CodeAnalysis;
using JeDi.Files.Images;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace JeDi.Extensions.Hosting;

/// <summary>
/// Microsoft.Extensions.AI's generator of images. The original images of a request are photos of the subject; the pictures come as PNG in
/// <see cref="DataContent"/>, each with its seed. Picture k of a request has seed S + k.
/// </summary>
[Experimental("MEAI001")]
sealed class JeDiImageGenerator(JeDiSessionPool pool, ILogger<JeDiImageGenerator> log) : IImageGenerator
{
    const string Png = "image/png";

    readonly ImageGeneratorMetadata metadata =
        new("jedi", defaultModelId: Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(pool.Engine.Checkpoint.Origin)));

    public async Task<ImageGenerationResponse> GenerateAsync(
        ImageGenerationRequest request, ImageGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        Check(options);
        ImageWish wish = ImageWish.Of(request, options, this, pool.Shape, pool.Engine.Checkpoint);
        List<JeDiResult> results = [];
        for (int k = 0; k < (options?.Count ?? 1); k++)
        {
            JeDiRequest each = wish.Request with { Seed = wish.Request.Seed + k };
            results.Add(await pool.GenerateAsync(each, wish.Shape, cancellationToken: cancellationToken).ConfigureAwait(false));
        }

        return new ImageGenerationResponse([.. results.SelectMany(Contents)]) { RawRepresentation = results };
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, metadata, pool, pool.Engine];
        return serviceKey is null ? services.FirstOrDefault(serviceType.IsInstanceOfType) : null;
    }

    /// <summary>The host disposes the engine and its sessions.</summary>
    public void Dispose()
    {
    }

    static IEnumerable<AIContent> Contents(JeDiResult result) => result.Images.Zip(result.Seeds, (image, seed) =>
        new DataContent(PngWriter.Encode(image), Png) { AdditionalProperties = new() { ["seed"] = seed } });

    void Check(ImageGenerationOptions? options)
    {
        if (options is null)
        {
            return;
        }

        Expect(options.Count is null or >= 1, $"Count {options.Count} is out of range, 1 or more");
        Expect(options.MediaType is null or Png, $"MediaType '{options.MediaType}' is not written; there is {Png}");
        Expect(
            options.ResponseFormat is null or ImageGenerationResponseFormat.Data,
            $"ResponseFormat {options.ResponseFormat} needs a place to keep pictures; they are returned as {nameof(DataContent)}");
        Expect(
            options.ModelId is null || options.ModelId == metadata.DefaultModelId,
            $"ModelId '{options.ModelId}' is not the model that is loaded, {metadata.DefaultModelId}");
        if (options.StreamingCount > 0)
        {
            log.WithoutEffect(nameof(options.StreamingCount), "pictures are returned when they are done");
        }
    }

    static void Expect(bool right, string otherwise)
    {
        if (!right)
        {
            throw new ArgumentException(otherwise, "options");
        }
    }
}
