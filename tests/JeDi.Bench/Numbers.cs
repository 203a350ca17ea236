namespace JeDi.Bench;

/// <summary>Inputs.</summary>
static class Numbers
{
    /// <summary>Reproducible numbers, evenly spread over -0.5..0.5.</summary>
    public static float[] Random(long count, int seed)
    {
        var random = new Random(seed);
        var numbers = new float[count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = random.NextSingle() - 0.5f;
        }

        return numbers;
    }
}
