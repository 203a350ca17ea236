namespace JeDi.Evaluation;

/// <summary>What was given cannot be judged: says what, where, and what to do.</summary>
public sealed class EvaluationException(string message) : Exception(message);
