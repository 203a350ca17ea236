using JeDi.Cli;
using JeDi.Cli.Requests;

namespace JeDi.Tests.Cli;

public sealed class ReferenceSettingsTests
{
    static readonly TestCaseData[] good =
    [
        new("dog.jpg", new ReferenceSettings("dog.jpg")),
        new("a b/dog.jpg,caption=a dog", new ReferenceSettings("a b/dog.jpg") { Caption = "a dog" }),
        new(@"dog.jpg,caption=a dog\, asleep,weight=0.7", new ReferenceSettings("dog.jpg") { Caption = "a dog, asleep", Weight = 0.7 }),
        new(@"a\,b.jpg,mask=m\,n.png", new ReferenceSettings("a,b.jpg") { Mask = "m,n.png" }),
        new(@"dog.jpg,caption=back\\,weight=1", new ReferenceSettings("dog.jpg") { Caption = @"back\", Weight = 1 }),
        new(@"C:\dogs\dog.jpg", new ReferenceSettings(@"C:\dogs\dog.jpg")),
        new("dog.jpg,caption=1 + 1 = 2", new ReferenceSettings("dog.jpg") { Caption = "1 + 1 = 2" }),
        new("dog.jpg,caption=", new ReferenceSettings("dog.jpg") { Caption = "" }),
        new("dog.jpg,start=0.25,end=1e-1", new ReferenceSettings("dog.jpg") { Start = 0.25, End = 0.1 }),
    ];

    static readonly TestCaseData[] bad =
    [
        new("", "starts with the image file"),
        new(",caption=a", "starts with the image file"),
        new("dog.jpg,a dog", "'a dog' is not NAME=VALUE"),
        new("dog.jpg,colour=red", "unknown 'colour'; there are caption, weight, mask, start, end"),
        new("dog.jpg,weight=much", "weight=much is not a number"),
        new("dog.jpg,weight=NaN", "weight=NaN is not a number"),
        new("dog.jpg,start=0,start=1", "start is given twice"),
    ];

    [TestCaseSource(nameof(good))]
    public void ReadsFileAndValues(string text, ReferenceSettings expected) =>
        Assert.That(ReferenceSettings.Parse(text), Is.EqualTo(expected));

    [TestCaseSource(nameof(bad))]
    public void SaysWhatIsWrong(string text, string expected) =>
        Assert.That(() => ReferenceSettings.Parse(text), Throws.TypeOf<UsageException>().With.Message.Contains(expected));

    [TestCase("style.safetensors", "style.safetensors", 1)]
    [TestCase("style.safetensors:0.8", "style.safetensors", 0.8)]
    [TestCase("C:/style.safetensors", "C:/style.safetensors", 1)]
    [TestCase("C:/style.safetensors:-1", "C:/style.safetensors", -1)]
    public void LoraIsFileAndWeight(string text, string path, double weight) =>
        Assert.That(LoraArgument.Parse(text), Is.EqualTo(new LoraFile(path, weight)));
}
