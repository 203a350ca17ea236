namespace JeDi;

/// <summary>
/// A wish that cannot be met, and the base of all exceptions that the engine has. The message is one line that says what, where, and what
/// to do; a setting is named as <c>Type.Property</c>, in whose place a program may put its own name for it. Arguments that no model could
/// take give <see cref="ArgumentException"/>, what was stopped <see cref="OperationCanceledException"/>, what was disposed
/// <see cref="ObjectDisposedException"/>.
/// </summary>
/// <param name="message">One line.</param>
/// <param name="inner">What it came from.</param>
public class JeDiException(string message, Exception? inner = null) : Exception(message, inner);
