using JeDi.Files.Images;
using JeDi.Models;
using JeDi.Tests.Models;

namespace JeDi.Tests.Cli;

/// <summary>Whatever is wrong with a command line or its files: one line that says what and what to do, and nothing is written.</summary>
public sealed class BadInputTests : FolderFixture
{
    static readonly TestCaseData[] usage =
    [
        Case("a command is missing: sample, info, convert, bench"),
        Case("unknown command smaple; did you mean sample?", "smaple"),
        Case("unknown option --stepps; did you mean --steps? see jedi-native sample --help", "sample", "a dog", "--stepps", "5"),
        Case("unknown option --stepps", "sample", "--stepps", "5"),
        Case("--steps was given twice; see", "sample", "a", "--steps", "5", "--steps", "6"),
        Case("unknown command nope", "help", "nope"),
        Case("one argument too many: cat", "sample", "dog", "cat"),
        Case("a prompt is missing", "sample"),
        Case("--steps many: a whole number is wanted", "sample", "a", "--steps", "many"),
        Case("--steps 0: 1 to 1000 is wanted", "sample", "a", "--steps", "0"),
        Case("--steps 1001: 1 to 1000 is wanted", "sample", "a", "--steps", "1001"),
        Case("--steps 51: lcm takes 1 to 50", "sample", "a", "--sampler", "lcm", "--steps", "51"),
        Case("--sampler fancy: unknown; there are ddim, ddpm, pndm, euler", "sample", "a", "--sampler", "fancy"),
        Case("--guidance fancy: unknown; there are joint, text-only, text-first, image-first", "sample", "a", "--guidance", "fancy"),
        Case("--width 500: not a multiple of 64; the nearest is 512", "sample", "a", "--width", "500"),
        Case("--height 10: not a multiple of 64; the nearest is 64", "sample", "a", "--height", "10"),
        Case("--height 0: 1 to 8192 is wanted", "sample", "a", "--height", "0"),
        Case("--height 9000: 1 to 8192 is wanted", "sample", "a", "--height", "9000"),
        Case("-n 0: 1 to 10000 is wanted", "sample", "a", "-n", "0"),
        Case("--seed -2: 0 to ", "sample", "a", "--seed", "-2"),
        Case("--text-scale NaN: a number is wanted", "sample", "a", "--text-scale", "NaN"),
        Case("--rescale 2: 0 to 1 is wanted", "sample", "a", "--rescale", "2"),
        Case("2 prompts need --together", "sample", "a", "--prompt", "b"),
        Case("-n 3 and 2 prompts", "sample", "a", "--prompt", "b", "--together", "-n", "3"),
        Case("--dtype f64: unknown; there are auto, f16, bf16, f32", "sample", "a", "--dtype", "f64"),
        Case("--threads 0: 1 to 1024 is wanted", "sample", "a", "--threads", "0"),
        Case("--rng numpy: unknown; there are torch-cpu, torch-cuda", "sample", "a", "--rng", "numpy"),
        Case("--inpaint mask.png: needs the picture to repaint; give it with --init FILE", "sample", "a", "--inpaint", "mask.png"),
        Case("--strength 0.5: needs a picture to start from", "sample", "a", "--strength", "0.5"),
        Case("--strength 0: more than 0 up to 1", "sample", "a", "--init", "a.png", "--strength", "0"),
        Case("weight 2: 0 to 1 is wanted", "sample", "a", "--reference", "a.png,weight=2"),
        Case("start 0.5 is not before end 0.5", "sample", "a", "--reference", "a.png,start=0.5,end=0.5"),
        Case("unknown 'wieght'", "sample", "a", "--reference", "a.png,wieght=1"),
        Case("--device gpu: unknown; use auto, cpu, cuda, cuda:N or sim", "sample", "a", "--device", "gpu"),
        Case("--device cuda:x: unknown", "sample", "a", "--device", "cuda:x"),
        Case("--device cuda:-1: unknown", "bench", "--device", "cuda:-1"),
        Case("-n 2000: 1 to 1024 is wanted with --together", "sample", "a", "-n", "2000", "--together"),
        Case("--reference {0}/plain.png: mask: the path is empty", "sample", "a", "--reference", "{0}/plain.png,mask="),
        Case("--init: the path is empty", "sample", "a", "--init", ""),
        Case("--output: the path is empty", "sample", "a", "-o", ""),
        Case("--model: the path is empty", "sample", "a", "--model", ""),
        Case("--tokenizer: the path is empty", "sample", "a", "--tokenizer", ""),
        Case("--reference {0}: is a folder; a file is wanted", "sample", "a", "--reference", "{0}"),
        Case("--lora {0}: is a folder; a file is wanted", "sample", "a", "--lora", "{0}:0.5"),
        Case("--params-from {0}: is a folder; a file is wanted", "sample", "--params-from", "{0}"),
        Case("--prompts-from {0}: is a folder; a file is wanted", "sample", "--prompts-from", "{0}"),
        Case("every line has its own prompt; leave out \"a\"", "sample", "a", "--prompts-from", "{0}/text.txt"),
        Case("--to: the path is empty", "convert", "tiny-jedi", "--to", ""),
        Case("--recipe foo: unknown; there are tiny, small, sd14", "convert", "--recipe", "foo", "--to", "{0}/x"),
        Case("--tokenizer: a single file holds no tokenizer", "convert", "tiny-jedi", "--to", "{0}/x.safetensors", "--tokenizer", "{0}"),
        Case("info: the path is empty", "info", ""),
        Case("--attention-map: shows where a picture looks at its photos; add --reference", "sample", "a", "--attention-map"),
        Case("--preview 0: at least 1", "sample", "a", "--preview", "0"),
        Case("where to? add --to OUT", "convert", "tiny-jedi"),
        Case("--channels 5: 4 or 9 is wanted", "convert", "tiny-jedi", "--to", "x", "--channels", "5"),
        Case("--dtype int8: unknown; there are f16, bf16, f32", "convert", "tiny-jedi", "--to", "x", "--dtype", "int8"),
        Case("either the model to convert or --recipe", "convert", "--to", "x"),
    ];

    static readonly TestCaseData[] failures =
    [
        Case("model 'nope' was not found; looked in ", "sample", "a", "--model", "nope"),
        Case("model {0}/none: no such folder or file", "sample", "a", "--model", "{0}/none"),
        Case("{0}/empty: no model folder, unet/config.json is missing", "sample", "a", "--model", "{0}/empty"),
        Case("{0}/empty.bin: has 0 bytes, too few for a safetensors file", "sample", "a", "--model", "{0}/empty.bin"),
        Case("is a PyTorch pickle", "sample", "a", "--model", "{0}/old.ckpt"),
        Case("{0}/none.png: no such file", "sample", "a", "--reference", "{0}/none.png"),
        Case("{0}/empty.bin: is empty", "sample", "a", "--reference", "{0}/empty.bin"),
        Case("{0}/text.txt: is not a picture that can be read", "sample", "a", "--reference", "{0}/text.txt"),
        Case("{0}/cut.png: is cut short or damaged", "sample", "a", "--init", "{0}/cut.png"),
        Case("{0}/huge.png: has 100000 x 100000 pixels; 1 to 64 megapixels are read", "sample", "a", "--reference", "{0}/huge.png"),
        Case("{0}/none.txt: no such file", "sample", "--prompts-from", "{0}/none.txt"),
        Case("{0}/plain.png: has no parameters inside", "sample", "--params-from", "{0}/plain.png"),
        Case("{0}/text.txt: is not a PNG file", "sample", "--params-from", "{0}/text.txt"),
        Case("output folder {0}/text.txt cannot be written", "sample", "a", "-o", "{0}/text.txt"),
        Case("{0}/none", "sample", "a", "--tokenizer", "{0}/none"),
        Case("{0}/mute: has no tokenizer (vocab.json and merges.txt in tokenizer/)", "sample", "a", "--model", "{0}/mute"),
        Case("weights/clip-tokenizer: has 49408 tokens, the text encoder of {0}/mute knows 2014",
            "sample", "a", "--model", "{0}/mute", "--tokenizer", Repository.Find("weights/clip-tokenizer")),
        Case("{0}/none/vocab.json: no such file", "convert", "tiny-jedi", "--to", "{0}/x", "--tokenizer", "{0}/none"),
        Case("{0}/mute: has no tokenizer", "convert", "{0}/mute", "--to", "{0}/x"),
        Case("guidance text-first needs a network with reference", "sample", "a", "--model", "{0}/four", "--guidance", "text-first"),
        Case("{0}/none.safetensors: no such file", "sample", "a", "--lora", "{0}/none.safetensors"),
        Case("--device cuda: ", "sample", "a", "--device", "cuda"),
        Case("not enough memory: ", "sample", "a", "--width", "8192", "--height", "8192", "--vae-tiling", "off", "--together", "-n", "100"),
        Case("model 'nope' was not found", "info", "nope"),
        Case("{0}/taken: exists already", "convert", "tiny-jedi", "--to", "{0}/taken"),
        Case("{0}/full: is a folder that holds no model, and is not replaced", "convert", "tiny-jedi", "--to", "{0}/full", "--force"),
        Case("{0}/taken: is a file, and a folder is to be written", "convert", "tiny-jedi", "--to", "{0}/taken", "--force"),
        Case("{0}/text.txt is a file, no folder", "convert", "tiny-jedi", "--to", "{0}/text.txt/x"),
        Case("{0}/four: is not replaced, as it holds more than a model: notes.txt", "convert", "tiny-jedi", "--to", "{0}/four", "--force"),
        Case("{0}/odd: the defaults in model_index.json: --width 100: not a", "sample", "a", "--model", "{0}/odd"),
        Case("{0}/odder: the defaults in model_index.json: unknown sampler", "sample", "a", "--model", "{0}/odder"),
        Case("{0}/oddest: the defaults in model_index.json: unknown guidance", "sample", "a", "--model", "{0}/oddest"),
        Case("{0}/damaged.png: its parameters ('jedi') are not valid JSON: ", "info", "{0}/damaged.png"),
        Case("9 input channels cannot become 4", "convert", "tiny-jedi", "--to", "{0}/x", "--channels", "4"),
    ];

    [SetUp]
    public void MakeFiles()
    {
        Write("text.txt", "no picture");
        Write("taken", "no model");
        Write("empty.bin", "");
        File.WriteAllBytes(At("old.ckpt"), [.. "PK\u0003\u0004"u8, .. new byte[100]]);
        Directory.CreateDirectory(At("empty"));
        Directory.CreateDirectory(At("full"));
        Write("full/thesis.tex", "");
        MakeModels();
        byte[] png = PngWriter.Encode(new PixelImage(64, 64, [.. Enumerable.Range(0, 3 * 64 * 64).Select(i => (byte)(i * 7919 >> 3))]));
        File.WriteAllBytes(At("plain.png"), png);
        PngWriter.Write(At("damaged.png"), new PixelImage(1, 1, new byte[3]), [("jedi", "{\"picture\": ")]);
        File.WriteAllBytes(At("cut.png"), png[..(png.Length / 2)]);
        File.WriteAllBytes(At("huge.png"), Huge(png));
    }

    [TestCaseSource(nameof(usage))]
    public void UsageErrorsExitWithTwo(string message, string[] arguments) => Fails(2, message, arguments);

    [TestCaseSource(nameof(failures))]
    public void FailuresExitWithOne(string message, string[] arguments) => Fails(1, message, arguments);

    /// <summary>Files of a run are checked before anything is computed, so the message names the line.</summary>
    [Test]
    public void ALineOfAPromptFileIsNamed()
    {
        string file = Write("prompts.txt", "a dog\n{\"prompt\": \"a cat\", \"steps\": 0}\n");
        CliRun.Of("sample", "--prompts-from", file, "-o", At("out")).AssertFails(2, $"{file}, line 2: --steps 0: 1 to 1000 is wanted");
    }

    [TestCase("{\"prompt\":\"a\",\"reference\":[null]}",
        "'reference': FILE,NAME=VALUE,... or an object, or a list of these, is wanted, not null")]
    [TestCase("{\"prompt\":\"a\",\"reference\":[{\"weight\":1}]}", "'reference': the image is missing; give it as 'file'")]
    [TestCase("{\"prompt\":\"a\",\"reference\":{\"file\":null}}", "'reference': the image is missing; give it as 'file'")]
    [TestCase("{\"prompt\":\"a\",\"reference\":\"a.png,wight=1\"}", "--reference a.png,wight=1: unknown 'wight'")]
    [TestCase("{\"prompt\":\"a\",\"reference\":\"\"}", "starts with the image file")]
    [TestCase("{\"prompt\":\"x\\ud800\"}", "'prompt': holds half of a character")]
    [TestCase("{\"x\\ud800\":1}", "not valid JSON")]
    [TestCase("{\"prompt\":[\"a\",null]}", "'prompt': a text or a list of texts is wanted, not a list")]
    [TestCase("{\"prompt\":\"a\",\"together\":null}", "'together': true or false is wanted, not null")]
    [TestCase("{\"prompt\":\"a\",\"text-scale\":\"2\"}", "'text-scale': a number is wanted, not a text")]
    [TestCase("{\"prompt\":\"a\",\"text-scale\":1e999}", "'text-scale': a number is wanted, not 1e999")]
    [TestCase("{\"prompt\":\"a\",\"seed\":1.5}", "'seed': a whole number is wanted, not 1.5")]
    [TestCase("{\"prompt\":\"a\",\"pictures\":2}", "unknown name 'pictures'")]
    [TestCase("caf\u00e9\u0000", "holds a NUL byte")]
    [TestCase("a \udcff", "is not UTF-8; save the file as UTF-8 text")]
    public void WhatIsWrongInALineIsSaid(string line, string message)
    {
        // Half of a character stands for the byte 0xFF, which no UTF-8 has.
        byte[] bytes = [.. "a dog\n"u8, .. line.EnumerateRunes().SelectMany(rune =>
            rune.Value == 0xFFFD ? [0xFF] : System.Text.Encoding.UTF8.GetBytes(rune.ToString()))];
        File.WriteAllBytes(At("prompts.txt"), bytes);
        Fails(2, $"{At("prompts.txt")}, line 2: ", ["sample", "--prompts-from", At("prompts.txt")]);
        Fails(2, message, ["sample", "--prompts-from", At("prompts.txt")]);
    }

    /// <summary>Whoever repeats a picture elsewhere did not name its photos.</summary>
    [Test]
    public void PhotoThatAPictureRecordsIsNamed()
    {
        Directory.CreateDirectory(At("made"));
        File.Copy(At("plain.png"), At("photo.png"));
        CliRun.Of("sample", "a", "--reference", At("photo.png"), "--steps", "1", "--seed", "7", "-o", At("made"), "-q");
        File.Delete(At("photo.png"));
        Fails(1, "{0}/photo.png: no such file; the parameters in {0}/made/00001-seed7.png name it; give another with --reference FILE",
            ["sample", "--params-from", At("made/00001-seed7.png")]);
    }

    /// <summary>The small model without its tokenizer, one without reference channels, some with impossible defaults.</summary>
    void MakeModels()
    {
        Link(Repository.Find("tests/trial/tiny-jedi"), At("mute"), without: "tokenizer");
        var options = new ConvertOptions { TokenizerFolder = LetterTokenizer.Write(At("letters")) };
        CheckpointWriter.Write(Checkpoint.FromRecipe("tiny", 4), At("four"), options);
        Write("four/notes.txt", "");
        MakeModel("odd", """{"defaults": {"width": 100}}""");
        MakeModel("odder", """{"defaults": {"sampler": "foo"}}""");
        MakeModel("oddest", """{"defaults": {"guidance": "foo"}}""");
    }

    void MakeModel(string name, string index)
    {
        Link(Repository.Find("tests/trial/tiny-jedi"), At(name), without: "model_index.json");
        Write($"{name}/model_index.json", index);
    }

    static void Link(string from, string to, string without)
    {
        Directory.CreateDirectory(to);
        foreach (string part in Directory.EnumerateFileSystemEntries(from).Where(part => Path.GetFileName(part) != without))
        {
            Directory.CreateSymbolicLink(Path.Combine(to, Path.GetFileName(part)), part);
        }
    }

    void Fails(int code, string message, string[] arguments)
    {
        string output = At("out");
        string[] filled = [.. arguments.Select(argument => argument.Replace("{0}", Folder))];
        string[] quiet = filled is ["sample" or "convert", ..] ? [.. filled, "--quiet"] : filled;
        string[] all = filled is ["sample", ..] && !filled.Contains("-o") ? [.. quiet, "-o", output] : quiet;
        CliRun.Of(all).AssertFails(code, message.Replace("{0}", Folder));
        Assert.That(Directory.Exists(output) ? Directory.EnumerateFileSystemEntries(output) : [], Is.Empty, "nothing is written");
    }

    static TestCaseData Case(string message, params string[] arguments) =>
        new TestCaseData(message, arguments).SetArgDisplayNames(string.Join(' ', arguments.DefaultIfEmpty("no arguments")));

    /// <summary>A header that claims 100000 x 100000 pixels, with the checksum that belongs to it.</summary>
    static byte[] Huge(byte[] png)
    {
        byte[] huge = [.. png];
        byte[] size = [0, 1, 0x86, 0xA0];
        size.CopyTo(huge, 16);
        size.CopyTo(huge, 20);
        uint checksum = System.IO.Hashing.Crc32.HashToUInt32(huge.AsSpan(12, 17));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(huge.AsSpan(29), checksum);
        return huge;
    }
}
