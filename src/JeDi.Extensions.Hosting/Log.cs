using Microsoft.Extensions.Logging;

namespace JeDi.Extensions.Hosting;

/// <summary>What a host's log is told. Prompts stand in none of it, but for words that had no effect.</summary>
static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Model {Model} on {Device}, {Megabytes} MB of weights")]
    public static partial void Loaded(this ILogger log, string model, string device, long megabytes);

    [LoggerMessage(2, LogLevel.Information, "Session for {References} references and {Targets} targets of {Width} x {Height}; {Memory}")]
    public static partial void Prepared(this ILogger log, int references, int targets, int width, int height, string memory);

    [LoggerMessage(3, LogLevel.Information, "{Images} pictures in {Seconds:0.00} s, seed {Seed}")]
    public static partial void Generated(this ILogger log, int images, double seconds, long seed);

    [LoggerMessage(4, LogLevel.Warning, "A prompt is cut at its 77 tokens; these words have no effect: {Words}")]
    public static partial void Cut(this ILogger log, string words);

    [LoggerMessage(5, LogLevel.Error, "A request failed")]
    public static partial void Failed(this ILogger log, Exception error);

    [LoggerMessage(6, LogLevel.Warning, "{Option} has no effect: {Reason}")]
    public static partial void WithoutEffect(this ILogger log, string option, string reason);
}
