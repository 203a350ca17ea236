using System.Text.Json.Nodes;
using JeDi.Files.Safetensors;
using JeDi.Models;
using JeDi.Tensors;

namespace JeDi.Cli.Reporting;

/// <summary>What <c>info</c> says of model files.</summary>
public static class ModelReport
{
    /// <summary>A model folder, or a safetensors file: model, LoRA or anything else.</summary>
    public static JsonObject Of(string path, bool tensors)
    {
        if (Directory.Exists(path))
        {
            return OfModel(path, tensors);
        }

        using SafetensorsSet file = SafetensorsSet.Open(path);
        List<SafetensorsEntry> entries = [.. file.Entries];
        return entries.Any(entry => entry.Name.StartsWith("model.diffusion_model.", StringComparison.Ordinal)) ? OfModel(path, tensors)
            : LoraReport.Of(entries.Select(entry => entry.Name)) is LoraReport changes ? OfLora(changes, file, entries, tensors)
            : OfFile(file, entries, tensors);
    }

    static JsonObject OfModel(string path, bool tensors)
    {
        using Checkpoint model = Checkpoint.Open(path);
        var report = new JsonObject
        {
            ["path"] = path,
            ["kind"] = model.Form == CheckpointForm.Folder ? "model folder" : "model in a single file",
            ["for"] = model.UNet.InputLayout == InputLayout.Noisy ? "Stable Diffusion (no reference input)" : "JeDi (reference input)",
            ["warnings"] = new JsonArray([.. model.Doubts.Select(doubt => (JsonNode)doubt)]),
            ["tokenizer"] = model.TokenizerFolder ?? "none of its own",
            ["defaults"] = Defaults(model.Defaults),
            ["schedule"] = new JsonObject
            {
                ["betas"] = Betas(model.Schedule),
                ["timesteps"] = model.Schedule.TrainSteps,
                ["prediction"] = model.Schedule.Prediction.ToString().ToLowerInvariant(),
                ["spacing"] = model.Schedule.Spacing.ToString().ToLowerInvariant(),
                ["sampler"] = model.Schedule.Sampler ?? "not one of ours",
            },
            ["unet"] = With(Component(model, Models.Component.UNet), new JsonObject
            {
                ["inputs"] = $"{model.UNet.InChannels} ({Order(model.UNet.InputLayout)})",
                ["channels"] = List(model.UNet.Channels),
                ["layers"] = List(model.UNet.Layers),
                ["heads"] = List(model.UNet.Heads),
                ["context"] = model.UNet.ContextWidth,
                ["size"] = $"{model.UNet.SampleSize * model.Vae.Scale} x {model.UNet.SampleSize * model.Vae.Scale} pixels",
            }),
            ["vae"] = With(Component(model, Models.Component.Vae), new JsonObject
            {
                ["channels"] = List(model.Vae.Channels),
                ["latent_channels"] = model.Vae.LatentChannels,
                ["scaling_factor"] = model.Vae.ScalingFactor,
            }),
            ["text_encoder"] = With(Component(model, Models.Component.TextEncoder), new JsonObject
            {
                ["width"] = model.Text.Width,
                ["layers"] = model.Text.Layers,
                ["vocabulary"] = model.Text.Vocabulary,
            }),
        };
        return tensors ? With(report, new JsonObject { ["tensors"] = Tensors(model) }) : report;
    }

    static string Betas(ScheduleConfig schedule) => $"{schedule.BetaStart} to {schedule.BetaEnd}, " + schedule.Betas switch
    {
        BetaSchedule.ScaledLinear => "scaled linear",
        BetaSchedule.Linear => "linear",
        _ => "squared cosine",
    } + (schedule.ZeroSnr ? ", down to no signal" : "");

    /// <summary>As config files write it.</summary>
    static string Order(InputLayout layout) => layout switch
    {
        InputLayout.MaskNoisyClean => "mask,noisy,clean",
        InputLayout.NoisyMaskClean => "noisy,mask,clean",
        _ => "noisy",
    };

    static JsonObject Component(Checkpoint model, Component component)
    {
        IReadOnlyList<StoredWeight> weights = model.Weights(component);
        return new JsonObject
        {
            ["parameters"] = weights.Sum(weight => weight.Shape.Count),
            ["bytes"] = weights.Sum(weight => weight.Shape.Count * weight.Type.Size()),
            ["types"] = string.Join(", ", weights.Select(weight => weight.Type).Distinct()),
            ["tensors"] = weights.Count,
        };
    }

    static JsonArray Tensors(Checkpoint model) => new([.. Enum.GetValues<Component>()
        .SelectMany(component => model.Weights(component).Select(weight =>
            (JsonNode)$"{component}: {weight.Name} {weight.Type} {weight.Shape}"))]);

    static JsonObject Defaults(ModelDefaults defaults)
    {
        var json = new JsonObject();
        foreach ((string name, object? value) in new (string, object?)[]
        {
            ("width", defaults.Width),
            ("height", defaults.Height),
            ("steps", defaults.Steps),
            ("sampler", defaults.Sampler),
            ("guidance", defaults.Guidance),
            ("text_scale", defaults.TextScale),
            ("image_scale", defaults.ImageScale),
        })
        {
            if (value is not null)
            {
                json[name] = value is string text ? text : Convert.ToDouble(value);
            }
        }

        return json;
    }

    static JsonObject OfLora(LoraReport changes, SafetensorsSet file, List<SafetensorsEntry> entries, bool tensors)
    {
        IEnumerable<SafetensorsEntry> downs = entries.Where(entry => changes.RankNames.Contains(entry.Name) && entry.Shape.Length > 0);
        JsonObject report = OfFile(file, entries, tensors);
        report["kind"] = changes.Kinds;
        report["weights_changed"] = changes.Modules;
        report["ranks"] = string.Join(", ", downs.Select(down => down.Shape[0]).Distinct().Order());
        report["text_encoder_changed"] = changes.ChangesText;
        return report;
    }

    static JsonObject OfFile(SafetensorsSet file, List<SafetensorsEntry> entries, bool tensors)
    {
        var report = new JsonObject
        {
            ["path"] = file.Path,
            ["kind"] = "safetensors file",
            ["tensors"] = entries.Count,
            ["parameters"] = entries.Sum(entry => entry.Count),
            ["bytes"] = entries.Sum(entry => entry.Bytes),
            ["types"] = string.Join(", ", entries.Select(entry => entry.Type).Distinct()),
            ["metadata"] = new JsonObject(file.Files[0].Metadata.Select(text => KeyValuePair.Create(text.Key, (JsonNode?)text.Value))),
        };
        if (tensors)
        {
            report["names"] = new JsonArray([.. entries.Select(entry =>
                (JsonNode)$"{entry.Name} {entry.Type} [{string.Join(", ", entry.Shape)}]")]);
        }

        return report;
    }

    static string List<T>(IEnumerable<T> values) => string.Join(", ", values);

    static JsonObject With(JsonObject first, JsonObject second)
    {
        foreach ((string name, JsonNode? value) in second)
        {
            first[name] = value?.DeepClone();
        }

        return first;
    }
}
