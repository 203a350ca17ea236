namespace JeDi.Files;

/// <summary>A file that cannot be used: the message is one line with the path, what is wrong and, where it helps, what to do.</summary>
public sealed class FileException(string path, string what, Exception? inner = null) : JeDiException(OneLine($"{path}: {what}"), inner)
{
    /// <summary>The file.</summary>
    public string Path { get; } = path;

    /// <summary>Names that come out of a file may hold anything: line breaks and control characters become blanks.</summary>
    public static string OneLine(string text) => string.Create(text.Length, text, (line, from) =>
    {
        for (int i = 0; i < line.Length; i++)
        {
            line[i] = char.IsControl(from[i]) || from[i] is '\u2028' or '\u2029' ? ' ' : from[i];
        }
    });
}
