using JeDi;
using JeDi.Extensions.Hosting;
using JeDi.Files.Images;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// Argument: the repository, for its model. The same picture by the engine and by the host's generator.
string model = Path.Combine(args[0], "tests", "trial", "tiny-jedi");
HostApplicationBuilder builder = Host.CreateApplicationBuilder();
builder.Services.AddJeDi(options =>
{
    options.Model = model;
    options.Engine = new EngineOptions { Device = "cpu" };
    options.Shape = new SessionShape(Steps: 4);
});
using IHost host = builder.Build();
await host.StartAsync();
IImageGenerator generator = host.Services.GetRequiredService<IImageGenerator>();
ImageGenerationResponse response = await generator.GenerateImagesAsync(
    "a red hat", new ImageGenerationOptions { AdditionalProperties = new() { ["seed"] = 5 } });
byte[] hosted = ImageReader.Decode("hosted", ((DataContent)response.Contents[0]).Data.ToArray()).Rgb;

using JeDiSession session = host.Services.GetRequiredService<JeDiEngine>().Prepare(new SessionShape(Steps: 4));
byte[] drawn = (await session.GenerateAsync(new JeDiRequest { Prompts = ["a red hat"], Seed = 5 })).Images[0].Rgb;
await host.StopAsync();
if (!hosted.SequenceEqual(drawn) || ShippedFiles.Find("clip-tokenizer") is null)
{
    Console.Error.WriteLine("package: the host's generator drew another picture, or the tokenizer did not come along");
    return 1;
}

Console.WriteLine("JeDiNative.Extensions.Hosting as a package: the host's generator draws the engine's picture");
return 0;
