namespace JeDi.Files.Random;

/// <summary>Standard normal numbers, draw after draw; what a draw gives depends on the draws before it and on its length.</summary>
public interface INormalStream
{
    /// <summary>Fills with the next draw of this many values.</summary>
    void Normal(Span<float> values);
}
