using System.Text;
using System.Text.Json;
using JeDi.Files;
using JeDi.Files.Tokenizer;
using JeDi.Tests.Models;

namespace JeDi.Tests.Files;

/// <summary>The tokenizer beyond the golden ids: its length, normal form C, and files that are none.</summary>
public sealed class TokenizerTests
{
    static readonly string golden = Repository.Find("tests/golden/tokenizer");
    static readonly ClipTokenizer clip = ClipTokenizer.Open(Repository.Find("weights/clip-tokenizer"));

    readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void EmptyPromptIsStartAndEnds()
    {
        (int[] ids, IReadOnlyList<string> cut) = clip.Encode("");
        Assert.That(ids, Is.EqualTo(Enumerable.Repeat(49407, 76).Prepend(49406)));
        Assert.That(cut, Is.Empty);
    }

    [Test]
    public void WordsThatDoNotFitAreNamed()
    {
        string fits = string.Join(' ', Enumerable.Repeat("dog", 75));
        Assert.That(clip.Encode(fits).Cut, Is.Empty);
        (int[] ids, IReadOnlyList<string> cut) = clip.Encode(fits + " a Red ball!");
        Assert.That(ids, Is.EqualTo(clip.Encode(fits).Ids));
        Assert.That(cut, Is.EqualTo(new[] { "a", "red", "ball", "!" }));
    }

    /// <summary>A word whose first tokens fit is cut within, and named as lost.</summary>
    [Test]
    public void WordCutWithinIsNamed()
    {
        string text = string.Join(' ', Enumerable.Repeat("dog", 74)) + " qzxjqzxjv";
        (int[] ids, IReadOnlyList<string> cut) = clip.Encode(text);
        Assert.That(ids[^1], Is.EqualTo(49407));
        Assert.That(cut, Is.EqualTo(new[] { "qzxjqzxjv" }));
    }

    /// <summary>Tokens beside the vocabulary stand in a text as they are; the longest counts, what is around them is cut as ever.</summary>
    [Test]
    public void AddedTokensAreRead()
    {
        Copy();
        int size = clip.VocabularySize;
        File.WriteAllText(folder.At("added_tokens.json"), $$"""{"<cat>": {{size}}, "<cat>-toy": {{size + 1}}}""");
        File.WriteAllText(
            folder.At("tokenizer_config.json"),
            $$$$"""{"model_max_length": Infinity, "added_tokens_decoder": {"{{{{size + 2}}}}": {"content": "*S", "lstrip": false}}}""");
        ClipTokenizer tokenizer = ClipTokenizer.Open(folder.Path);
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(size + 3));
        int[] plain = clip.Encode("a dog").Ids;
        int[] ids = tokenizer.Encode("a<cat>-toy dog*S <CAT>").Ids;
        int[] capital = clip.Encode("<CAT>").Ids[1..4];
        Assert.That(ids[..9], Is.EqualTo([plain[0], plain[1], size + 1, plain[2], size + 2, .. capital, plain[3]]));
    }

    /// <summary>Stable Diffusion 2 fills its texts with "!"; the newer of two files that say it counts.</summary>
    [Test]
    public void PadTokenFillsTheText()
    {
        Copy();
        File.WriteAllText(folder.At("tokenizer_config.json"), """{"pad_token": "!"}""");
        int[] ids = ClipTokenizer.Open(folder.Path).Encode("a dog").Ids;
        Assert.That(ids[..4], Is.EqualTo(clip.Encode("a dog").Ids[..4]));
        Assert.That(ids[4..], Has.All.EqualTo(0));
        File.WriteAllText(folder.At("special_tokens_map.json"), """{"pad_token": {"content": "<|endoftext|>", "lstrip": false}}""");
        Assert.That(ClipTokenizer.Open(folder.Path).Encode("a dog").Ids, Is.EqualTo(clip.Encode("a dog").Ids));
        File.WriteAllText(folder.At("tokenizer_config.json"), """{"pad_token": "!", "added_tokens_decoder": {}}""");
        Assert.That(ClipTokenizer.Open(folder.Path).Encode("a dog").Ids[4..], Has.All.EqualTo(0));
    }

    [TestCase("added_tokens.json", "[1]")]
    [TestCase("added_tokens.json", """{"<a>": -1}""")]
    [TestCase("tokenizer_config.json", """{"pad_token": "nobody knows this"}""")]
    [TestCase("tokenizer_config.json", """{"model_max_length": 32}""")]
    [TestCase("tokenizer_config.json", """{"added_tokens_decoder": {"9": {"content": "x", "single_word": true}}}""")]
    public void SideFilesThatCannotBeFollowedAreNamed(string name, string text)
    {
        Copy();
        File.WriteAllText(folder.At(name), text);
        Assert.That(() => ClipTokenizer.Open(folder.Path), Throws.TypeOf<FileException>().With.Message.Not.Contains("\n"));
    }

    void Copy()
    {
        foreach (string old in Directory.GetFiles(folder.Path))
        {
            File.Delete(old);
        }

        foreach (string name in new[] { "vocab.json", "merges.txt" })
        {
            File.Copy(Path.Combine(Repository.Find("weights/clip-tokenizer"), name), folder.At(name));
        }
    }

    [TestCase('a')]
    [TestCase('.')]
    [TestCase('9')]
    [TestCase(' ')]
    [TestCase('\u0301')]
    [TestCase('犬')]
    public void LongTextsComeToAnEnd(char c) => Assert.That(clip.Encode(new string(c, 200_000)).Ids, Has.Length.EqualTo(77));

    /// <summary>From Unicode's NormalizationTest.txt: composition, order of marks, exclusions, singletons, Hangul.</summary>
    [TestCase("D\u0307\u0323", "\u1E0C\u0307")]
    [TestCase("\u1E0A\u0323", "\u1E0C\u0307")]
    [TestCase("a\u0315\u0300\u05AEb", "\u00E0\u05AE\u0315b")]
    [TestCase("\u2126\u212B", "\u03A9\u00C5")]
    [TestCase("\u0958", "\u0915\u093C")]
    [TestCase("\u0344", "\u0308\u0301")]
    [TestCase("\u1100\u1161\u11A8", "\uAC01")]
    [TestCase("\uAC00\u11A8", "\uAC01")]
    [TestCase("\uFB01 \u00BD", "\uFB01 \u00BD")]
    [TestCase("\uD834\uDD5E", "\uD834\uDD57\uD834\uDD65")]
    public void NormalFormC(string text, string expected)
    {
        Assert.That(Nfc.Normalize(text), Is.EqualTo(expected));
        Assert.That(Nfc.Normalize(expected), Is.EqualTo(expected));
    }

    /// <summary>Each of CLIP's symbols, escaped ones among them, has the id that a library reads, and no other text has one.</summary>
    [Test]
    public void EverySymbolHasItsId()
    {
        string path = Repository.Find("weights/clip-tokenizer/vocab.json");
        var vocabulary = Vocabulary.Read(path);
        Dictionary<string, int> expected = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(path))!;
        Assert.That(expected, Has.Count.EqualTo(49408));
        Assert.That(vocabulary.Largest, Is.EqualTo(expected.Values.Max()));
        foreach ((string symbol, int id) in expected)
        {
            Assert.That(vocabulary.TryGetId(symbol, out int found) ? found : -1, Is.EqualTo(id), symbol);
            Assert.That(vocabulary.TryGetId(symbol + " ", out _), Is.False);
        }
    }

    [Test]
    public void ComposedAndDecomposedTextsAreOne() =>
        Assert.That(clip.Encode("cafe\u0301 A\u030Angstro\u0308m").Ids, Is.EqualTo(clip.Encode("café Ångström").Ids));

    [TestCase("vocab.json", "", "is not a vocabulary")]
    [TestCase("vocab.json", "[1]", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": \"b\"}", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": 1.5}", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": {\"b\": 1}}", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": 1", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": 1} 2", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"\\ud800\": 1}", "is not a vocabulary")]
    [TestCase("vocab.json", "{\"a\": 1, \"\\u0061\": 2}", "'a' is there twice or has an impossible id")]
    [TestCase("vocab.json", "{\"a\": 1}", "lacks <|startoftext|> or <|endoftext|>")]
    [TestCase("vocab.json", "{\"a\": 1, \"a\": 2}", "'a' is there twice or has an impossible id")]
    [TestCase("vocab.json", "{\"a\": -1}", "'a' is there twice or has an impossible id")]
    [TestCase("merges.txt", "#version: 0.2\ni n\nt h e\n", "line 3 is not a pair of symbols")]
    [TestCase("merges.txt", "x\n", "line 1 is not a pair of symbols")]
    public void WrongFilesAreRefused(string name, string content, string expected)
    {
        foreach (string copied in new[] { "vocab.json", "merges.txt" })
        {
            File.Copy(Path.Combine(golden, copied), folder.At(copied), overwrite: true);
        }

        File.WriteAllText(folder.At(name), content, new UTF8Encoding(false));
        FileException? error = Assert.Throws<FileException>(() => ClipTokenizer.Open(folder.Path));
        Assert.That(error!.Message, Does.StartWith(folder.At(name)).And.Contains(expected).And.Not.Contains("\n"));
    }

    [Test]
    public void MissingTokenizerNamesTheOption() => Assert.That(
        () => ClipTokenizer.Open(folder.At("none")),
        Throws.TypeOf<FileException>().With.Message.Contains("EngineOptions.Tokenizer"));
}
