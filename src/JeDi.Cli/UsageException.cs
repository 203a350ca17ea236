namespace JeDi.Cli;

/// <summary>A command line that makes no sense: one line, exit code 2.</summary>
public sealed class UsageException(string message) : Exception(message);
