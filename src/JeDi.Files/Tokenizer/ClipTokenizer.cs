using System.Globalization;
using System.Text;

namespace JeDi.Files.Tokenizer;

/// <summary>
/// CLIP's tokenizer: byte-level byte pairs over lower-cased words, as <c>CLIPTokenizerFast</c> of Hugging Face computes it. A prompt
/// becomes start, text, end, and end tokens up to the full length.
/// </summary>
public sealed class ClipTokenizer
{
    /// <summary>Tokens of a prompt.</summary>
    public const int Length = 77;

    internal const string StartToken = "<|startoftext|>";
    internal const string EndToken = "<|endoftext|>";
    internal const string WordEnd = "</w>";

    static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    static readonly string[] ByteSymbols = MakeByteSymbols();

    readonly Vocabulary vocabulary;
    readonly BytePairs pairs;
    readonly int unknown;
    readonly int start;
    readonly int end;
    readonly int padding;

    /// <summary>Tokens that stand in texts as they are, before anything is normalised; the longer of two first.</summary>
    readonly (string Text, int[] Ids)[] added;

    ClipTokenizer(ClipTokenizer other, (string Text, int[] Ids)[] added)
    {
        (vocabulary, pairs, unknown) = (other.vocabulary, other.pairs, other.unknown);
        (start, end, padding) = (other.start, other.end, other.padding);
        this.added = added;
    }

    ClipTokenizer(string folder, Vocabulary vocabulary, BytePairs pairs, TokenizerFiles files)
    {
        this.vocabulary = vocabulary;
        this.pairs = pairs;
        added = [.. files.Added.Where(token => token.Key is not (StartToken or EndToken))
            .Select(token => (token.Key, (int[])[token.Value])).OrderByDescending(token => token.Key.Length)];
        unknown = vocabulary.End;
        start = Role("bos_token", StartToken);
        end = Role("eos_token", EndToken);
        padding = Role("pad_token", EndToken);

        int Role(string role, string usual)
        {
            string token = files.Special.GetValueOrDefault(role, usual);
            return files.Added.TryGetValue(token, out int id) || vocabulary.TryGetId(token, out id) ? id
                : throw new FileException(folder, $"the {role} '{token}' is not in the vocabulary");
        }
    }

    /// <summary>A printable character for every byte.</summary>
    internal static IReadOnlyList<string> Symbols => ByteSymbols;

    /// <summary>Number of different ids: one more than the largest.</summary>
    public int VocabularySize => added.SelectMany(token => token.Ids).Append(vocabulary.Largest).Max() + 1;

    /// <summary>
    /// Reads <c>vocab.json</c> and <c>merges.txt</c> of a folder, and what its other files say of further tokens and of padding.
    /// </summary>
    /// <exception cref="FileException">A file is missing or not what it should be.</exception>
    public static ClipTokenizer Open(string folder)
    {
        var vocabulary = Vocabulary.Read(Path.Combine(folder, "vocab.json"));
        var pairs = BytePairs.Read(Path.Combine(folder, "merges.txt"));
        return new ClipTokenizer(folder, vocabulary, pairs, TokenizerFiles.Read(folder));
    }

    /// <summary>The same with a word more, which stands for these ids.</summary>
    public ClipTokenizer Including(string word, int[] ids) =>
        new(this, [.. added.Where(token => token.Text != word).Append((Text: word, Ids: ids)).OrderBy(token => -token.Text.Length)]);

    /// <summary>The 77 ids of a prompt, and the words that did not fit.</summary>
    public (int[] Ids, IReadOnlyList<string> Cut) Encode(string text)
    {
        var ids = new List<int>(Length) { start };
        var cut = new List<string>();
        foreach ((string word, IReadOnlyList<int> tokens) in Tokens(text))
        {
            if (ids.Count + tokens.Count > Length - 1)
            {
                cut.Add(word);
            }

            ids.AddRange(tokens.Take(Length - 1 - ids.Count));
        }

        ids.Add(end);
        ids.AddRange(Enumerable.Repeat(padding, Length - ids.Count));
        return ([.. ids], cut);
    }

    /// <summary>The pieces of a text in their order, each with its ids; nothing before or behind them, and none left out.</summary>
    public IEnumerable<(string Word, IReadOnlyList<int> Ids)> Tokens(string text)
    {
        for (int at = 0; at < text.Length;)
        {
            (int next, string token, int[] ids) = NextAdded(text, at);
            foreach (string word in Words(text[at..next]))
            {
                yield return (word, Ids(word));
            }

            if (token.Length > 0)
            {
                yield return (token, ids);
            }

            at = next + token.Length;
        }
    }

    /// <summary>Ids of the tokens before a text, behind it, and of those that fill it up.</summary>
    public (int Start, int End, int Padding) Frame => (start, end, padding);

    /// <summary>Where the next added token stands, from <paramref name="at"/> on; the end and no token if there is none.</summary>
    (int At, string Token, int[] Ids) NextAdded(string text, int at)
    {
        (int At, string Token, int[] Ids) next = (text.Length, "", []);
        foreach ((string token, int[] ids) in added)
        {
            int found = text.IndexOf(token, at, StringComparison.Ordinal);
            while (found >= 0 && !StandsAlone(text, found, token.Length))
            {
                found = text.IndexOf(token, found + 1, StringComparison.Ordinal);
            }

            next = found >= 0 && found < next.At ? (found, text.Substring(found, token.Length), ids) : next;
        }

        return next;
    }

    /// <summary>A word of letters is none within another word.</summary>
    static bool StandsAlone(string text, int at, int length)
    {
        bool Joined(int left) =>
            left >= 0 && left + 1 < text.Length && char.IsLetterOrDigit(text[left]) && char.IsLetterOrDigit(text[left + 1]);
        return !Joined(at - 1) && !Joined(at + length - 1);
    }

    IReadOnlyList<int> Ids(string word)
    {
        List<string> symbols = word is StartToken or EndToken ? [word] : pairs.Join(SymbolsOf(word));
        var ids = new int[symbols.Count];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = vocabulary.TryGetId(symbols[i], out int id) ? id : unknown;
        }

        return ids;
    }

    /// <summary>The bytes of a word; the last one ends it.</summary>
    internal static List<string> SymbolsOf(string word)
    {
        List<string> symbols = [.. Encoding.UTF8.GetBytes(word).Select(b => ByteSymbols[b])];
        symbols[^1] += WordEnd;
        return symbols;
    }

    /// <summary>
    /// The pieces of the pattern <c>special | 's|'t|'re|'ve|'m|'ll|'d | letters | one digit | other signs</c> in the normalised text.
    /// </summary>
    internal static IEnumerable<string> Words(string text)
    {
        string clean = Clean(text);
        for (int at = 0; at < clean.Length;)
        {
            int length = Special(clean, at) ?? Contraction(clean, at) ?? Run(clean, at);
            if (!Rune.IsWhiteSpace(Rune.GetRuneAt(clean, at)))
            {
                yield return clean.Substring(at, length);
            }

            at += length;
        }
    }

    static int? Special(string text, int at) =>
        At(text, at, StartToken) ? StartToken.Length : At(text, at, EndToken) ? EndToken.Length : null;

    static int? Contraction(string text, int at)
    {
        string? found = text[at] == '\'' ? Contractions.FirstOrDefault(contraction => At(text, at, contraction)) : null;
        return found?.Length;
    }

    /// <summary>Length of the run of runes of one kind; digits and blanks stand alone.</summary>
    static int Run(string text, int at)
    {
        Kind kind = KindOf(Rune.GetRuneAt(text, at));
        int end = at + Rune.GetRuneAt(text, at).Utf16SequenceLength;
        while (kind is Kind.Letter or Kind.Sign && end < text.Length && Special(text, end) is null
            && KindOf(Rune.GetRuneAt(text, end)) == kind)
        {
            end += Rune.GetRuneAt(text, end).Utf16SequenceLength;
        }

        return end - at;
    }

    static Kind KindOf(Rune rune) => Rune.IsWhiteSpace(rune) ? Kind.Blank : Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Digit,
        _ => Kind.Sign,
    };

    /// <summary>Normal form C, lower case; unpaired surrogates become U+FFFD.</summary>
    static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (Rune rune in Nfc.Normalize(text).EnumerateRunes())
        {
            // The one letter whose lower case is two characters.
            clean.Append(rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString());
        }

        return clean.ToString();
    }

    static bool At(string text, int at, string what) => string.CompareOrdinal(text, at, what, 0, what.Length) == 0;

    /// <summary>GPT-2's table: every byte as a printable character, so that merges can be written in a text file.</summary>
    static string[] MakeByteSymbols()
    {
        var symbols = new string[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            symbols[b] = ((char)(printable ? b : next++)).ToString();
        }

        return symbols;
    }

    enum Kind
    {
        Blank,
        Letter,
        Digit,
        Sign,
    }
}
