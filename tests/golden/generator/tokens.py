"""Tokenizer goldens: a small byte-level BPE of CLIP's kind made here, and the real CLIP vocabulary.

    cd tests/golden/generator; python tokens.py .. ../../../weights/clip-tokenizer/bpe_simple_vocab_16e6.txt.gz      (the file of OpenAI's CLIP)
"""
import gzip
import json
import os
import sys
from collections import Counter
import regex

out, bpe_path = sys.argv[1:3]
PAT = regex.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def bytes_to_unicode():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b), cs.append(256 + n)
            n += 1
    return dict(zip(bs, map(chr, cs)))


B2U = bytes_to_unicode()


def learn(text, merges_wanted):
    words = Counter()
    for w in PAT.findall(text.lower()):
        u = [B2U[b] for b in w.encode("utf-8")]
        words[tuple(u[:-1] + [u[-1] + "</w>"])] += 1
    merges = []
    while len(merges) < merges_wanted:
        pairs = Counter()
        for w, c in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += c
        if not pairs:
            break
        best = max(sorted(pairs), key=lambda p: pairs[p])
        merges.append(best)
        new = Counter()
        for w, c in words.items():
            o, i = [], 0
            while i < len(w):
                if i + 1 < len(w) and (w[i], w[i + 1]) == best:
                    o.append(w[i] + w[i + 1]); i += 2
                else:
                    o.append(w[i]); i += 1
            new[tuple(o)] += c
        words = new
    return merges


def write(folder, merges):
    os.makedirs(folder, exist_ok=True)
    vocab = list(B2U.values())
    vocab += [v + "</w>" for v in vocab] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    json.dump({v: i for i, v in enumerate(vocab)}, open(os.path.join(folder, "vocab.json"), "w"), ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    return len(vocab)


TEXTS = ["a photo of a red ball", "photos of the same backpack, in the snow", "A PHOTO of  a\tCat!!", "naïve café – déjà vu", "it's the dog's toy; they'll don't we've",
         "3.14 and 2,000 things (e.g. #1)", "🐶🐱 emoji", "日本語のテキスト", "<|startoftext|> literal <|endoftext|>", "", "   ", "x" * 300, " ".join(["word"] * 120),
         "under_score-dash/slash\\back", "ﬁ ligature ½ ²", "Ω≈ç√∫˜µ", "tab\nnewline\r\nreturn", "ALLCAPS MixedCase", "'s 't 're 've 'm 'll 'd", "(a very) [detailed] {painting}:1.2",
         "a sks dog wearing sunglasses, 4k, highly-detailed, artstation", "İstanbul ẞtraße", "zero\u200bwidth and nbsp\u00a0space", "ŒUVRE d’art", "١٢٣ ४५६"]


def golden(folder, texts, vocabulary):
    from transformers import CLIPTokenizerFast           # NFC, white space to one blank, lower case
    t = CLIPTokenizerFast(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt"))
    return [dict(op="tokenizer", tag=f"{vocabulary}/{i}", vocabulary=vocabulary, text=s, ids=t(s, padding="max_length", max_length=77, truncation=True).input_ids) for i, s in enumerate(texts)]


def save(path, cases):
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"about": "Texts and their 77 token ids (start, text, end, padded with end). vocabulary: tiny = the folder tokenizer/ beside this file, clip = the real CLIP vocabulary.", "recipe_prefix": "", "cases": cases}, f, indent=0)


corpus = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus.txt"), encoding="utf-8").read()
tiny = os.path.join(out, "tokenizer")
print("tiny vocabulary:", write(tiny, learn(corpus, 400)))
real = os.path.dirname(bpe_path)
lines = gzip.open(bpe_path, "rt", encoding="utf-8").read().split("\n")[1:49152 - 256 - 2 + 1]
print("clip vocabulary:", write(real, [tuple(l.split()) for l in lines]))
save(os.path.join(out, "tokenizer.json"), golden(tiny, TEXTS, "tiny") + golden(real, TEXTS, "clip"))
