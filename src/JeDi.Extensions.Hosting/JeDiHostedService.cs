using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace JeDi.Extensions.Hosting;

/// <summary>Opens the model while the host starts, so that a wrong one ends the start and not the first request.</summary>
sealed class JeDiHostedService(IServiceProvider services, IOptions<JeDiOptions> options) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            services.GetRequiredService<JeDiEngine>();
            if (options.Value.WarmUp)
            {
                services.GetRequiredService<JeDiSessionPool>().WarmUp();
            }
        },
        cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
