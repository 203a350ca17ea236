using System.Text;

namespace JeDi.Cli;

/// <summary>
/// A standard stream that may be full or closed: that is one line and an exit code, never the end of the process in the middle of a
/// picture.
/// </summary>
/// <param name="below">The stream.</param>
/// <param name="name">What people call it; null: what it cannot take is dropped, as it is only said to a person.</param>
public sealed class GuardedWriter(TextWriter below, string? name = null) : TextWriter
{
    public override Encoding Encoding => below.Encoding;

    public override void Write(char value) => Try(() => below.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => below.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => below.Write(value));

    public override void WriteLine() => Try(below.WriteLine);

    public override void WriteLine(string? value) => Try(() => below.WriteLine(value));

    public override void Flush() => Try(below.Flush);

    void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            if (name is not null)
            {
                throw new JeDiException($"{name} cannot be written: {error.Message.ReplaceLineEndings(" ")}", error);
            }
        }
    }
}
