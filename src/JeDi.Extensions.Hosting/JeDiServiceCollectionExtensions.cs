using JeDi;
using JeDi.Extensions.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>JeDi as services of a host.</summary>
public static class JeDiServiceCollectionExtensions
{
    /// <summary>
    /// Adds one model: <see cref="JeDiEngine"/>, <see cref="JeDiSessionPool"/> and Microsoft.Extensions.AI's <c>IImageGenerator</c>, all
    /// singletons. The host checks the options and opens the model when it starts; a model that cannot be opened ends the start.
    /// </summary>
    /// <param name="services">Of the host.</param>
    /// <param name="configure">Names the model.</param>
    public static IServiceCollection AddJeDi(this IServiceCollection services, Action<JeDiOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<JeDiOptions>().Configure(configure).ValidateOnStart();
        return services.AddServices();
    }

    /// <summary>The same with options from configuration, such as the section "JeDi" of appsettings.json.</summary>
    /// <param name="services">Of the host.</param>
    /// <param name="section">Has <c>Model</c>, and what else of <see cref="JeDiOptions"/> is to be said.</param>
    public static IServiceCollection AddJeDi(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        services.AddOptions<JeDiOptions>().Bind(section, binder => binder.ErrorOnUnknownConfiguration = true).ValidateOnStart();
        return services.AddServices();
    }

    static IServiceCollection AddServices(this IServiceCollection services)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JeDiOptions>, JeDiOptionsCheck>());
        services.TryAddSingleton(Load);
        services.TryAddSingleton<JeDiSessionPool>();
        // The interface is marked experimental: whoever asks the host for it is told so by the compiler.
#pragma warning disable MEAI001
        services.TryAddSingleton<IImageGenerator, JeDiImageGenerator>();
#pragma warning restore MEAI001
        services.AddHostedService<JeDiHostedService>();
        return services;
    }

    static JeDiEngine Load(IServiceProvider provider)
    {
        JeDiOptions options = provider.GetRequiredService<IOptions<JeDiOptions>>().Value;
        JeDiEngine engine = JeDiEngine.Load(options.Model, options.Engine);
        provider.GetRequiredService<ILogger<JeDiEngine>>().Loaded(options.Model, engine.Device.Name, engine.WeightBytes >> 20);
        return engine;
    }
}
