using System.Globalization;

namespace JeDi.Bench;

/// <summary>Options of the form <c>--name value</c>.</summary>
static class Options
{
    /// <summary>The value after a name, or null.</summary>
    public static string? Value(string[] options, string name)
    {
        int index = Array.IndexOf(options, name);
        return index >= 0 && index + 1 < options.Length ? options[index + 1] : null;
    }

    public static int Int(string[] options, string name, int otherwise) =>
        Value(options, name) is string text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
