using JeDi.Files.Tokenizer;

namespace JeDi.Tests.Engine;

/// <summary>Prompts with weights as the web UIs read them, in chunks.</summary>
public sealed class PromptTests
{
    const int Width = 3;

    static readonly ClipTokenizer tokenizer = ClipTokenizer.Open(Repository.Find("weights/clip-tokenizer"));
    static readonly PromptEncoder prompts = new(tokenizer, Width);

    /// <summary>The examples that the parser's own documentation has, and some corners.</summary>
    [TestCase("normal text", "normal text=1")]
    [TestCase("an (important) word", "an =1|important=1.1| word=1")]
    [TestCase("(unbalanced", "unbalanced=1.1")]
    [TestCase("\\(literal\\]", "(literal]=1")]
    [TestCase("(unnecessary)(parens)", "unnecessaryparens=1.1")]
    [TestCase("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        "a =1|house=1.573| =1.1|on=1| a =1.1|hill=0.55|, sun, =1.1|sky=1.4641|.=1.1")]
    [TestCase("[less]", "less=0.90909")]
    [TestCase("a:b", "a:b=1")]
    [TestCase("(x:1.5", "x:1.5=1.1")]
    [TestCase("a) b]", "a) b]=1")]
    [TestCase("", "")]
    public void BracketsAreWeights(string prompt, string parts) => Assert.That(
        string.Join('|', PromptWeights.Parse(prompt).Select(part => $"{part.Text}={part.Weight:0.#####}")), Is.EqualTo(parts));

    /// <summary>Start, 75 tokens, end; the last chunk is filled up.</summary>
    [Test]
    public void LongPromptsGoInChunks()
    {
        string text = string.Join(' ', Enumerable.Repeat("dog", 80));
        Assert.That(prompts.Chunks(text, PromptSyntax.Weights), Is.EqualTo(2));
        Assert.That(prompts.Chunks(text, PromptSyntax.Plain), Is.EqualTo(1));
        Assert.That(prompts.Chunks("", PromptSyntax.Weights), Is.EqualTo(1));
        int dog = tokenizer.Encode("dog").Ids[1];
        (int start, int end, int padding) = tokenizer.Frame;
        var seen = new List<int[]>();
        Encode(text, PromptSyntax.Weights, 3, ids => Seen(seen, ids));
        Assert.That(seen[0], Is.EqualTo([start, .. Enumerable.Repeat(dog, 75), end]));
        Assert.That(seen[1], Is.EqualTo([start, .. Enumerable.Repeat(dog, 5), end, .. Enumerable.Repeat(padding, 70)]));
        Assert.That(seen[2], Is.EqualTo(tokenizer.Encode("").Ids), "an empty chunk fills up");
    }

    /// <summary>Without brackets both ways are one.</summary>
    [Test]
    public void PlainTextIsTheSameInBothWays()
    {
        float[] plain = Encode("a red dog", PromptSyntax.Plain, 1, State);
        Assert.That(Encode("a red dog", PromptSyntax.Weights, 1, State), Is.EqualTo(plain));
    }

    /// <summary>A token's state times its weight, then all times what brings the mean back.</summary>
    [Test]
    public void WeightsMultiplyStatesAndKeepTheMean()
    {
        float[] plain = Encode("a red dog", PromptSyntax.Plain, 1, State);
        float[] weighted = Encode("a (red:1.5) dog", PromptSyntax.Weights, 1, State);
        double[] wanted = [.. plain.Select((value, i) => i / Width == 2 ? 1.5 * value : value)];
        double scale = plain.Average(value => (double)value) / wanted.Average();
        for (int i = 0; i < wanted.Length; i++)
        {
            Assert.That(weighted[i], Is.EqualTo(wanted[i] * scale).Within(1e-6 * Math.Abs(wanted[i]) + 1e-7), $"{i}");
        }
    }

    static float[] Encode(string text, PromptSyntax syntax, int chunks, Func<int[], float[]> encode)
    {
        var states = new float[prompts.Count(chunks)];
        prompts.Encode(text, syntax, chunks, (ids, to) => encode(ids.ToArray()).CopyTo(to), states);
        return states;
    }

    static float[] State(int[] ids) => [.. Enumerable.Range(0, ids.Length * Width).Select(i => 1 + ids[i / Width] % 17 + i % Width / 7f)];

    static float[] Seen(List<int[]> seen, int[] ids)
    {
        seen.Add(ids);
        return State(ids);
    }
}
