using System.Globalization;
using System.Text.RegularExpressions;
using JeDi.Sampling;

namespace JeDi.Cli.Requests;

/// <summary>What can be said of wishes before a model is loaded: ranges, names, and options that do not go together.</summary>
public static class SampleChecks
{
    const int Unit = 64;
    internal const int LargestSide = 8192;
    internal const int MostPictures = 10_000;
    internal const int MostThreads = 1024;
    internal const int MostClipSkip = 12;

    /// <summary>Stands for a seed that is drawn.</summary>
    internal const long RandomSeed = -1;

    const int MostTogether = 1024;
    const int MostInterval = 1000;

    /// <summary>Whole numbers up to here survive every JSON reader.</summary>
    internal const long LargestSeed = 1L << 53;

    /// <exception cref="UsageException">The first thing that is wrong, with what to do.</exception>
    public static void Check(SampleSettings wishes)
    {
        CheckSet(wishes);
        CheckPaths(wishes);
        CheckSize("--width", wishes.Width);
        CheckSize("--height", wishes.Height);
        CheckSampler(wishes);
        CheckGuiding(wishes);
        CheckEditing(wishes);
        foreach (ReferenceSettings reference in wishes.Reference)
        {
            CheckReference(reference);
        }

        OneOf("--reference-noise", wishes.ReferenceNoise, "kept", "fresh");
        OneOf("--prompt-syntax", wishes.PromptSyntax, "plain", "weights");
        Between("--clip-skip", wishes.ClipSkip, 1, MostClipSkip);
        OneOf("--rng", wishes.Rng, "torch-cpu", "torch-cuda");
        OneOf("--vae-tiling", wishes.VaeTiling, "auto", "on", "off");
        OneOf("--fit", wishes.Fit, "crop", "pad");
        _ = Range(wishes.GuidanceRange);
        Between("--deep-cache", wishes.DeepCache, 1, MostInterval);
        OneOf("--winograd", wishes.Winograd, "auto", "off");
        OneOf("--weights", wishes.Weights, "f16", "bf16", "f32");
        Between("--memory", wishes.Memory, 0, int.MaxValue);
        OneOf("--dtype", wishes.Dtype, "auto", "f16", "bf16", "f32");
        CheckDevice(wishes.Device);
        Between("--threads", wishes.Threads, 1, MostThreads);
    }

    /// <summary>The ends of a share of the steps, written A..B.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static (double From, double To) Range(string? text)
    {
        string[] ends = (text ?? "0..1").Split("..");
        return ends.Length == 2
            && double.TryParse(ends[0], CultureInfo.InvariantCulture, out double from)
            && double.TryParse(ends[1], CultureInfo.InvariantCulture, out double to)
            && from >= 0 && from < to && to <= 1
            ? (from, to)
            : throw new UsageException($"--guidance-range {text}: A..B is wanted, shares of the steps with 0 <= A < B <= 1, e.g. 0.2..0.8");
    }

    static void CheckSet(SampleSettings wishes)
    {
        Between("-n", wishes.N, 1, MostPictures);
        if (wishes.Together && wishes.Pictures > MostTogether)
        {
            throw new UsageException($"-n {wishes.Pictures}: 1 to {MostTogether} is wanted with --together");
        }

        if (wishes.Seed is < 0 or > LargestSeed)
        {
            throw new UsageException($"--seed {wishes.Seed}: 0 to {LargestSeed} is wanted, or {RandomSeed} for one that is drawn");
        }

        if (wishes.Prompt.Length == 0)
        {
            throw new UsageException("a prompt is missing; write jedi-native sample \"a photo of a dog\"");
        }

        if (wishes.Prompt.Length > 1 && !wishes.Together)
        {
            throw new UsageException($"{wishes.Prompt.Length} prompts need --together; for separate pictures use --prompts-from FILE");
        }

        if (wishes.Prompt.Length > 1 && wishes.N is int count && count != wishes.Prompt.Length)
        {
            throw new UsageException($"-n {count} and {wishes.Prompt.Length} prompts: give one prompt for all, or one for each picture");
        }
    }

    static void CheckPaths(SampleSettings wishes)
    {
        foreach (ReferenceSettings reference in wishes.Reference)
        {
            GivenPath.File("--reference", reference.File);
            GivenPath.File($"--reference {reference.File}: mask", reference.Mask);
        }

        GivenPath.File("--init", wishes.Init);
        GivenPath.File("--inpaint", wishes.Inpaint);
        GivenPath.Any("--model", wishes.Model);
        GivenPath.Any("--tokenizer", wishes.Tokenizer);
        GivenPath.Any("--vae", wishes.Vae);
        foreach (string embedding in wishes.Embedding)
        {
            GivenPath.File("--embedding", EmbeddingArgument.Parse(embedding).Path);
        }

        foreach (string lora in wishes.Lora)
        {
            GivenPath.File("--lora", LoraArgument.Parse(lora).Path);
        }
    }

    /// <summary>The form of the name; whether the device is there is known when it is opened.</summary>
    static void CheckDevice(string? device)
    {
        if (device is not (null or "auto" or "cpu" or "cuda" or "sim") && !Regex.IsMatch(device, @"^cuda:[0-9]{1,4}\z"))
        {
            throw new UsageException($"--device {device}: unknown; use auto, cpu, cuda, cuda:N or sim");
        }
    }

    static void CheckSize(string option, int? pixels)
    {
        Between(option, pixels, 1, LargestSide);
        if (pixels is int size && size % Unit != 0)
        {
            int nearest = Math.Max(Unit, (size + Unit / 2) / Unit * Unit);
            throw new UsageException($"{option} {size}: not a multiple of {Unit}; the nearest is {nearest}");
        }
    }

    static void CheckSampler(SampleSettings wishes)
    {
        OneOf("--sampler", wishes.Sampler, [.. Sampler.Names]);
        bool lcm = wishes.Sampler == "lcm";
        if (wishes.Steps is int steps && (steps < 1 || steps > (lcm ? 50 : 1000)))
        {
            throw new UsageException($"--steps {steps}: {(lcm ? "lcm takes 1 to 50" : "1 to 1000 is wanted")}");
        }
    }

    static void CheckGuiding(SampleSettings wishes)
    {
        OneOf("--guidance", wishes.Guidance, [.. Guidance.Names]);
        Between("--text-scale", wishes.TextScale, -100, 100);
        Between("--image-scale", wishes.ImageScale, -100, 100);
        Between("--rescale", wishes.Rescale, 0, 1);
    }

    static void CheckEditing(SampleSettings wishes)
    {
        if (wishes.Inpaint is not null && wishes.Init is null)
        {
            throw new UsageException($"--inpaint {wishes.Inpaint}: needs the picture to repaint; give it with --init FILE");
        }

        if (wishes.Strength is double strength)
        {
            if (wishes.Init is null)
            {
                throw new UsageException($"--strength {strength}: needs a picture to start from; give it with --init FILE");
            }

            if (!(strength > 0 && strength <= 1))
            {
                throw new UsageException($"--strength {strength}: more than 0 up to 1 is wanted");
            }
        }
    }

    static void CheckReference(ReferenceSettings reference)
    {
        string option = $"--reference {reference.File}";
        Between($"{option}: weight", reference.Weight, 0, 1);
        Between($"{option}: start", reference.Start, 0, 1);
        Between($"{option}: end", reference.End, 0, 1);
        double start = reference.Start ?? 0;
        double end = reference.End ?? 1;
        if (start >= end)
        {
            throw new UsageException($"{option}: start {start} is not before end {end}");
        }
    }

    internal static void Between(string option, double? value, double smallest, double largest)
    {
        if (value is double number && !(number >= smallest && number <= largest))
        {
            throw new UsageException($"{option} {number}: {smallest} to {largest} is wanted");
        }
    }

    internal static void OneOf(string option, string? value, params string[] known)
    {
        if (value is not null && !known.Contains(value))
        {
            throw new UsageException($"{option} {value}: unknown; there {(known.Length == 1 ? "is" : "are")} {string.Join(", ", known)}");
        }
    }
}
