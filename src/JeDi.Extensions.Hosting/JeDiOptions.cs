namespace JeDi.Extensions.Hosting;

/// <summary>What a host says about its model; it is checked when the host starts.</summary>
public sealed class JeDiOptions
{
    /// <summary>A diffusers folder or a single safetensors file.</summary>
    public string Model { get; set; } = "";

    /// <summary>How the model is loaded and what it runs on.</summary>
    public EngineOptions Engine { get; set; } = new();

    /// <summary>
    /// What a request gets that says nothing else: size, sampler, steps, guidance. The numbers of references and targets follow from the
    /// request.
    /// </summary>
    public SessionShape Shape { get; set; } = new();

    /// <summary>
    /// Requests that run side by side, and sessions that are kept prepared for the next one. All of them share the processor, so more than
    /// one is for many short requests; each takes the memory of a session.
    /// </summary>
    public int Sessions { get; set; } = 1;

    /// <summary>A session of <see cref="Shape"/> is prepared and run once while the host starts: no request is slower.</summary>
    public bool WarmUp { get; set; }
}
