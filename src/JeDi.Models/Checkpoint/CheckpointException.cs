using JeDi.Files;

namespace JeDi.Models;

/// <summary>A checkpoint or config that cannot be used: one line that says what, where, and what to do.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : JeDiException(FileException.OneLine(message), inner);
