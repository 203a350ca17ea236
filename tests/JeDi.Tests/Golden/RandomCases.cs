using JeDi.Files.Random;

namespace JeDi.Tests.Golden;

/// <summary>PyTorch's CPU normal stream, bit for bit.</summary>
static class RandomCases
{
    public static void Run(GoldenCase c)
    {
        long seed = c.Json.GetProperty("seed").GetInt64();
        string tag = $"torch-cpu/{seed}/";
        foreach (string key in c.File.Tensors.Keys.Where(key => key.StartsWith(tag, StringComparison.Ordinal)).Order())
        {
            var values = new float[c.Expected(key).Values.Length];
            var stream = new TorchCpuRandom(seed);
            if (key.EndsWith("two-draws", StringComparison.Ordinal))
            {
                stream.Normal(values.AsSpan(0, values.Length / 2));
                stream.Normal(values.AsSpan(values.Length / 2));
            }
            else
            {
                stream.Normal(values);
            }

            c.Expect(key, values, 0);
        }
    }
}
