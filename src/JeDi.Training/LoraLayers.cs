using System.IO.Enumeration;
using JeDi.Files;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Training;

/// <summary>
/// The low-rank changes that a run learns, hung on the weights of frozen networks whose names match its patterns. Down begins uniform
/// within 1 / sqrt(inputs), up at 0, so that the network begins as it was.
/// </summary>
sealed class LoraLayers
{
    const string Ending = ".weight";

    readonly Device device;
    readonly IReadOnlyList<Layer> layers;

    /// <param name="device">Of the networks.</param>
    /// <param name="model">Has the shapes that its files store.</param>
    /// <param name="networks">What they asked for.</param>
    /// <param name="options">Rank, alpha, patterns.</param>
    /// <exception cref="TrainingException">No weight matches a pattern.</exception>
    public LoraLayers(
        Device device, Checkpoint model, IEnumerable<(Component Component, Weights Weights)> networks, TrainingOptions options)
    {
        this.device = device;
        Alpha = options.Alpha > 0 ? options.Alpha : options.Rank;
        Scale = (float)(Alpha / options.Rank);
        (string Full, Component Component, Parameter Weight)[] all =
        [
            .. networks.SelectMany(network => network.Weights.Asked
                .Where(one => one.Kind is ParameterKind.Matrix or ParameterKind.GegluMatrix or ParameterKind.Convolution)
                .Select(one => ($"{Name(network.Component)}.{one.Name[..^Ending.Length]}", network.Component, one))),
        ];
        foreach (string pattern in options.LoraLayers)
        {
            if (!all.Any(one => Matches(pattern, one.Full)))
            {
                throw new TrainingException($"--lora-layers {pattern}: matches no weight; names are like {all[all.Length / 2].Full} "
                    + "(* stands for anything, and a part of a name is enough)");
            }
        }

        layers =
        [
            .. all.Where(one => options.LoraLayers.Any(pattern => Matches(pattern, one.Full)))
                .Select(one => Layer.Of(one.Component, one.Weight, options.Rank, model.Source(one.Component))),
        ];
    }

    public double Alpha { get; }

    /// <summary>alpha / rank.</summary>
    public float Scale { get; }

    /// <summary>What learns, in order.</summary>
    public IReadOnlyList<Parameter> Parameters => [.. layers.SelectMany(layer => new[] { layer.Down, layer.Up })];

    public bool Changes(Component component) => layers.Any(layer => layer.Component == component);

    /// <summary>Those of a component.</summary>
    public IReadOnlyList<Parameter> Of(Component component) =>
        [.. layers.Where(layer => layer.Component == component).SelectMany(layer => new[] { layer.Down, layer.Up })];

    /// <summary>Gives the parameters, which lie in flat memory by now, their first values, and hangs them on the weights.</summary>
    /// <param name="scale">F32 [1], on the device.</param>
    public void Begin(Tensor scale, long seed)
    {
        device.Write<float>(scale, [Scale]);
        foreach (Layer layer in layers)
        {
            var values = new float[layer.Down.Shape.Count];
            double inputs = (double)values.Length / layer.Down.Shape[0];
            Recipe.Fill($"lora/{seed}/{layer.Component}/{layer.Down.Name}", values, 1 / Math.Sqrt(inputs), 0, 0);
            device.Write<float>(layer.Down.Value, values);
            layer.Weight.Adapter = new Adapter(layer.Weight, layer.Down, layer.Up, scale);
        }
    }

    /// <summary>Writes the changes, F16.</summary>
    /// <param name="all">The flat memory that they lie in.</param>
    /// <param name="values">Of the same size: their values, or averages.</param>
    public void Write(string path, FlatParameters all, Tensor values) =>
        LoraWriter.Write(path, [.. layers.Select(layer => layer.Factors(one => all.Of(one, values)))], Alpha);

    static string Name(Component component) => component == Component.UNet ? "unet" : "text_encoder";

    static bool Matches(string pattern, string name) => FileSystemName.MatchesSimpleExpression($"*{pattern}*", name, ignoreCase: false);

    sealed record Layer(Component Component, Parameter Weight, Parameter Down, Parameter Up, bool Filter)
    {
        public static Layer Of(Component component, Parameter weight, int rank, IWeightSource source)
        {
            (Shape down, Shape up) = Adapter.Shapes(weight, rank);
            string module = weight.Name[..^Ending.Length];
            bool filter = weight.Kind == ParameterKind.Convolution;
            source.TryFind(weight.Name, [weight.Shape[0], weight.Shape[1], 1, 1], out Shape stored, out _);
            return new Layer(
                component,
                weight,
                new Parameter($"{module}.lora_down", filter ? ParameterKind.Convolution : ParameterKind.Matrix, down),
                new Parameter($"{module}.lora_up", ParameterKind.Matrix, up),
                filter || (stored.Rank == 4 && IsProjection(module)));
        }

        public LoraFactors Factors(Func<Parameter, float[]> values)
        {
            (Shape down, Shape up) = (Down.Shape, Up.Shape);
            int taps = Weight.Kind == ParameterKind.Convolution ? down[1] * down[2] : 1;
            float[] ofDown = values(Down);
            long side = Weight.Kind == ParameterKind.Convolution ? down[1] : 1;
            return new LoraFactors(
                Component,
                Down.Name[..Down.Name.LastIndexOf('.')],
                taps > 1 ? Layouts.NhwcToNchw(ofDown, down[0], down[3], taps) : ofDown,
                Filter ? [down[0], down[-1], side, side] : [down[0], down[1]],
                values(Up),
                Filter ? [up[0], up[1], 1, 1] : [up[0], up[1]]);
        }

        /// <summary>Sources that make their numbers answer with what is asked for; these modules are filters in files.</summary>
        static bool IsProjection(string module) =>
            module.EndsWith("proj_in", StringComparison.Ordinal) || module.EndsWith("proj_out", StringComparison.Ordinal)
            || module.EndsWith("conv_shortcut", StringComparison.Ordinal);
    }
}
