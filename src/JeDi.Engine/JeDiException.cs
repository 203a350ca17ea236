namespace JeDi;

/// <summary>A wish that cannot be met: the message is one line that says what, where, and what to do.</summary>
public sealed class JeDiException(string message, Exception? inner = null) : Exception(message, inner);
