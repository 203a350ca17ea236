using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Sampling;
using Microsoft.Extensions.AI;

namespace JeDi.Extensions.Hosting;

/// <summary>A request of Microsoft.Extensions.AI in the terms of the engine.</summary>
[Experimental("MEAI001")]
sealed record ImageWish(JeDiRequest Request, SessionShape Shape)
{
    const int SizeStep = 64;

    /// <summary>The names of `jedi-native sample`; a dash may be an underscore.</summary>
    static readonly Dictionary<string, Func<ImageWish, object?, ImageWish>> properties = new(StringComparer.OrdinalIgnoreCase)
    {
        ["seed"] = (wish, value) => wish.With(request => request with { Seed = Whole("seed", value) }),
        ["negative"] = (wish, value) => wish.With(request => request with { Negative = Text(value) }),
        ["text-scale"] = (wish, value) => wish.With(request => request with { TextScale = Number("text-scale", value) }),
        ["image-scale"] = (wish, value) => wish.With(request => request with { ImageScale = Number("image-scale", value) }),
        ["rescale"] = (wish, value) => wish.With(request => request with { Rescale = Number("rescale", value) }),
        ["clip-skip"] = (wish, value) =>
            wish.With(request => request with { ClipSkip = checked((int)Whole("clip-skip", value)) }),
        ["steps"] = (wish, value) => wish.With(shape => shape with { Steps = checked((int)Whole("steps", value)) }),
        ["sampler"] = (wish, value) => wish.With(shape => shape with { Sampler = Text(value) }),
        ["guidance"] = (wish, value) => wish.With(shape => shape with { Guidance = Guidance.Parse(Text(value)) }),
    };

    /// <exception cref="ArgumentException">Something is asked for that there is not, or an image is no image: says which.</exception>
    public static ImageWish Of(
        ImageGenerationRequest request, ImageGenerationOptions? options, IImageGenerator generator, SessionShape shape, Checkpoint model)
    {
        JeDiRequest raw = options?.RawRepresentationFactory?.Invoke(generator) switch
        {
            null => new JeDiRequest { Prompts = [], Seed = -1 },
            JeDiRequest own => own,
            object other => throw new ArgumentException(
                $"RawRepresentationFactory gave a {other.GetType().Name}, a {nameof(JeDiRequest)} is taken", nameof(options)),
        };
        Prompt[] prompts = request.Prompt is string text ? [text] : [.. raw.Prompts];
        if (prompts.Length == 0)
        {
            throw new ArgumentException("has no prompt", nameof(request));
        }

        Reference[] photos = [.. (request.OriginalImages ?? []).Select((content, i) => Photo(content, i + 1))];
        var wish = new ImageWish(raw with { Prompts = prompts, References = [.. raw.References, .. photos] }, Sized(shape, options, model));
        foreach ((string key, object? value) in options?.AdditionalProperties ?? [])
        {
            wish = properties.TryGetValue(key.Replace('_', '-'), out Func<ImageWish, object?, ImageWish>? set)
                ? set(wish, value)
                : throw new ArgumentException(
                    $"AdditionalProperties has '{key}'; there are {string.Join(", ", properties.Keys)}", nameof(options));
        }

        return wish.Request.Seed == -1 ? wish.With(drawn => drawn with { Seed = Random.Shared.Next() }) : wish;
    }

    /// <summary>The size that the model has closest to the one that is asked for, as the interface wants it.</summary>
    static SessionShape Sized(SessionShape shape, ImageGenerationOptions? options, Checkpoint model)
    {
        if (options?.ImageSize is not { } size)
        {
            return shape;
        }

        int step = Math.Max(SizeStep, model.UNet.SizeMultiple * model.Vae.Scale);
        int Closest(int wanted) => Math.Max(step, (int)(((long)wanted + step / 2) / step * step));
        return size.Width > 0 && size.Height > 0
            ? shape with { Width = Closest(size.Width), Height = Closest(size.Height) }
            : throw new ArgumentException($"ImageSize {size.Width} x {size.Height} is no size", nameof(options));
    }

    /// <summary>A photo of the subject. Its own properties are those of `--reference`: caption, weight, start, end.</summary>
    static Reference Photo(AIContent content, int number)
    {
        if (content is not DataContent data)
        {
            throw new ArgumentException(
                $"original image {number} is a {content?.GetType().Name ?? "null"}; give its bytes as a {nameof(DataContent)}", "request");
        }

        var photo = new Reference { Image = ImageReader.Decode(data.Name ?? $"original image {number}", data.Data.ToArray()) };
        foreach ((string key, object? value) in data.AdditionalProperties ?? [])
        {
            photo = key switch
            {
                "caption" => photo with { Caption = Text(value) },
                "weight" => photo with { Weight = Number(key, value) },
                "start" => photo with { Start = Number(key, value) },
                "end" => photo with { End = Number(key, value) },
                _ => throw new ArgumentException(
                    $"original image {number} has the property '{key}'; there are caption, weight, start, end", "request"),
            };
        }

        return photo;
    }

    ImageWish With(Func<JeDiRequest, JeDiRequest> change) => this with { Request = change(Request) };

    ImageWish With(Func<SessionShape, SessionShape> change) => this with { Shape = change(Shape) };

    static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    static long Whole(string key, object? value) =>
        long.TryParse(Text(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)
            ? whole
            : throw new ArgumentException($"{key} '{Text(value)}' is no whole number", "options");

    static double Number(string key, object? value) =>
        double.TryParse(Text(value), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw new ArgumentException($"{key} '{Text(value)}' is no number", "options");
}
