using System.Globalization;

namespace JeDi.Cli.Requests;

/// <summary><c>FILE[:WEIGHT]</c> of <c>--lora</c>. A name that ends in <c>:number</c> and exists as it stands is a file.</summary>
public static class LoraArgument
{
    /// <exception cref="UsageException">No file, or a weight that is no finite number.</exception>
    public static LoraFile Parse(string text)
    {
        (string path, string? weight) = Split(text);
        if (path.Length == 0)
        {
            throw new UsageException($"--lora {text}: starts with the file; write --lora style.safetensors:0.8");
        }

        return new LoraFile(path, weight is null ? 1 : double.Parse(weight, NumberStyles.Float, CultureInfo.InvariantCulture));
    }

    /// <summary>The same with another path.</summary>
    public static string Map(string text, Func<string, string> map)
    {
        (string path, string? weight) = Split(text);
        return map(path) + (weight is null ? "" : ":" + weight);
    }

    static (string Path, string? Weight) Split(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon < 0 || File.Exists(text))
        {
            return (text, null);
        }

        string factor = text[(colon + 1)..];
        if (GivenNumber.TryDouble(factor, out _))
        {
            return (text[..colon], factor);
        }

        // A name may hold a colon; behind that of a file that is there stands the factor.
        return File.Exists(text[..colon]) || double.TryParse(factor, CultureInfo.InvariantCulture, out _)
            ? throw new UsageException($"--lora {text}: the factor '{factor}' is no finite number; write for example {text[..colon]}:0.8")
            : (text, null);
    }
}
