using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Sampling;

/// <summary>The networks of a run, in the order in which it needs them.</summary>
public enum NetworkPart
{
    /// <summary>The text encoder.</summary>
    Text,
    /// <summary>The encoder of pictures.</summary>
    Encoder,
    /// <summary>The denoising network.</summary>
    UNet,
    /// <summary>The decoder of latents.</summary>
    Decoder,

    /// <summary>Another decoder for previews, where there is one.</summary>
    Preview,
}

/// <summary>
/// Networks whose weights come when they are wanted: in the background, one network after the other, while those that are there
/// compute; or, where memory is short, one network at a time, the others freed. The networks themselves exist from the start, so a run
/// can be planned before the first weight is read.
/// </summary>
public sealed class NetworkLoader : IDisposable
{
    readonly Device device;

    /// <summary>In the order of their use.</summary>
    readonly List<Part> parts = [];
    readonly CancellationTokenSource stop = new();
    readonly Lock gate = new();
    Part? only;

    /// <summary>How often somebody who waits looks whether to stop.</summary>
    static readonly TimeSpan glance = TimeSpan.FromMilliseconds(50);

    /// <param name="keep">Type that matrices, filters and tables are kept in; null: as they are stored.</param>
    /// <param name="precision">Types that they are computed and kept in, on a device that knows more than F32.</param>
    /// <param name="oneAtATime">Frees the other networks when one is used.</param>
    /// <exception cref="WeightException">A tensor is missing or has the wrong shape.</exception>
    public NetworkLoader(
        Device device, Checkpoint checkpoint, DType? keep = null, Precision? precision = null, bool oneAtATime = false)
    {
        this.device = device;
        OneAtATime = oneAtATime;
        Networks = new Networks(
            new ClipText(Of(NetworkPart.Text, Component.TextEncoder), checkpoint.Text),
            new UNet(Of(NetworkPart.UNet, Component.UNet), checkpoint.UNet),
            ImageEncoder.Of(Of(NetworkPart.Encoder, Component.Vae), checkpoint.Vae),
            ImageDecoder.Of(Of(NetworkPart.Decoder, Component.Vae), checkpoint.Vae))
        {
            Precision = precision ?? default,
            Preview = checkpoint.Preview is (VaeConfig config, IWeightSource source)
                ? ImageDecoder.Of(From(NetworkPart.Preview, source, precision?.Autoencoder), config)
                : null,
        };

        Weights Of(NetworkPart part, Component component) => From(
            part, checkpoint.Source(component), component == Component.Vae ? precision?.Autoencoder : precision?.Network);

        parts.Sort((one, other) => one.Name - other.Name);

        Weights From(NetworkPart part, IWeightSource source, DType? type)
        {
            var weights = new Weights(device, source, type ?? keep);
            parts.Add(new Part(part, weights));
            return weights;
        }
    }

    /// <summary>All of them; those that are not loaded have no values.</summary>
    public Networks Networks { get; init; }

    /// <summary>Whether the other networks are freed when one is used.</summary>
    public bool OneAtATime { get; }

    /// <summary>Bytes of all weights on the device; one at a time, of the largest network's.</summary>
    public long WeightBytes => OneAtATime ? parts.Max(part => part.Weights.Bytes) : parts.Sum(part => part.Weights.Bytes);

    /// <summary>Bytes of a network's weights, as the device keeps them.</summary>
    public long Bytes(NetworkPart part) => Find(part).Weights.Bytes;

    /// <summary>Loads all networks, and returns when they are there.</summary>
    public void UseAll() => parts.ForEach(part => Use(part.Name));

    /// <summary>
    /// Ends when everything that <see cref="Begin"/> started to load is there, or with its error; at once where it started nothing.
    /// </summary>
    public Task Loaded { get; private set; } = Task.CompletedTask;

    /// <summary>Starts to load everything in the background, where the device can compute meanwhile.</summary>
    public void Begin()
    {
        if (OneAtATime || !device.ComputesWhileLoading)
        {
            return;
        }

        Task before = Task.CompletedTask;
        foreach (Part part in parts)
        {
            // A failed load ends the ones after it, with the same error.
            part.Load = before = before.ContinueWith(
                done =>
                {
                    done.GetAwaiter().GetResult();
                    part.Weights.Load(stop.Token);
                },
                CancellationToken.None,
                TaskContinuationOptions.LongRunning,
                TaskScheduler.Default);
        }

        Loaded = before;
    }

    /// <summary>Returns when this network's weights are there.</summary>
    /// <exception cref="OutOfDeviceMemoryException"/>
    /// <exception cref="JeDi.Files.FileException">A file is damaged.</exception>
    /// <exception cref="OperationCanceledException">The thread's <see cref="StopFlag"/> was set meanwhile.</exception>
    public void Use(NetworkPart part)
    {
        Part used = Find(part);
        Task load;
        lock (gate)
        {
            if (used.Load is null)
            {
                Free();
                try
                {
                    used.Weights.Load(stop.Token);
                }
                catch
                {
                    // What is there in part would be taken for whole the next time.
                    used.Weights.Free();
                    throw;
                }

                used.Load = Task.CompletedTask;
                only = used;
            }

            load = used.Load;
        }

        while (Task.WaitAny([load], glance) < 0)
        {
            StopFlag.Current?.ThrowIfSet();
        }

        load.GetAwaiter().GetResult();
    }

    /// <summary>Where networks take turns: frees the one that is there.</summary>
    public void Free()
    {
        lock (gate)
        {
            if (OneAtATime && only is Part other)
            {
                other.Weights.Free();
                other.Load = null;
                only = null;
            }
        }
    }

    /// <summary>Ends a load that is under way, and whoever waits for it.</summary>
    public void Stop() => stop.Cancel();

    /// <summary>Ends a load that is under way; weights that are there stay, they are the device's.</summary>
    public void Dispose()
    {
        stop.Cancel();
        try
        {
            Task.WaitAll([.. parts.Select(part => part.Load).OfType<Task>()]);
        }
        catch (AggregateException)
        {
            // Whoever used the network was told.
        }

        stop.Dispose();
    }

    Part Find(NetworkPart name) => parts.Find(part => part.Name == name)
        ?? throw new ArgumentException($"the model has no network '{name}'", nameof(name));

    /// <summary>A network: what it wants, and what becomes of it.</summary>
    sealed class Part(NetworkPart name, Weights weights)
    {
        public NetworkPart Name => name;

        public Weights Weights => weights;

        /// <summary>Null where nobody has begun.</summary>
        public Task? Load { get; set; }
    }
}
