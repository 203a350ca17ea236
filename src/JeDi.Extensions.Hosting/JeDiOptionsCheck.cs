using Microsoft.Extensions.Options;

namespace JeDi.Extensions.Hosting;

/// <summary>What can be known to be wrong before a model is opened; everything that is wrong is said at once.</summary>
sealed class JeDiOptionsCheck : IValidateOptions<JeDiOptions>
{
    public ValidateOptionsResult Validate(string? name, JeDiOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        void Expect(bool right, string property, string what)
        {
            if (!right)
            {
                result.AddError(what, property);
            }
        }

        void Try(Action check, string property)
        {
            try
            {
                check();
            }
            catch (ArgumentException wrong)
            {
                result.AddError(wrong.Message, $"{property}.{wrong.ParamName}");
            }
        }

        Expect(
            Directory.Exists(options.Model) || File.Exists(options.Model),
            nameof(options.Model),
            $"'{options.Model}' is neither a folder nor a file; name a diffusers folder or a safetensors file");
        Expect(options.Engine is not null, nameof(options.Engine), "is null");
        Expect(options.Shape is not null, nameof(options.Shape), "is null");
        Try(() => options.Engine?.Validate(), nameof(options.Engine));
        Try(() => options.Shape?.Validate(), nameof(options.Shape));
        Expect(options.Sessions >= 1, nameof(options.Sessions), $"{options.Sessions} is out of range, 1 or more");
        Expect(
            options.Engine is not { LowMemory: true } || options.Sessions == 1,
            nameof(options.Sessions),
            $"{options.Sessions} with {nameof(EngineOptions.LowMemory)}, which is for one session at a time");
        return result.Build();
    }
}
