namespace JeDi.Sampling;

/// <summary>A request that cannot be sampled: the message is one line that says what, and what to do.</summary>
public sealed class SamplingException(string message) : JeDiException(message);
