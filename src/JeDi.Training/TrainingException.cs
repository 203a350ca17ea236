namespace JeDi.Training;

/// <summary>Training cannot begin or go on: one line that says what, where, and what to do.</summary>
public sealed class TrainingException(string message) : JeDiException(message);
