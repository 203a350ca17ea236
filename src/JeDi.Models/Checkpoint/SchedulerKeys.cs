namespace JeDi.Models;

/// <summary>The keys of scheduler_config.json and the class names in it.</summary>
static class SchedulerKeys
{
    /// <summary>Settings that are computed in one way only; the first value is what absence means.</summary>
    public static readonly (string Key, string[] Allowed)[] Only =
    [
        ("trained_betas", ["null"]),
        ("clip_sample", ["false"]),
        ("thresholding", ["false"]),
        ("variance_type", ["fixed_small"]),
        ("skip_prk_steps", ["true"]),
        ("algorithm_type", ["dpmsolver++", "sde-dpmsolver++"]),
        ("solver_order", ["2"]),
        ("solver_type", ["midpoint", "bh2"]),
        ("solver_p", ["null"]),
        ("predict_x0", ["true"]),
        ("lower_order_final", ["true"]),
        ("euler_at_final", ["false"]),
        ("disable_corrector", ["[]"]),
        ("lambda_min_clipped", ["-Infinity"]),
        ("use_exponential_sigmas", ["false"]),
        ("use_beta_sigmas", ["false"]),
        ("use_lu_lambdas", ["false"]),
        ("use_flow_sigmas", ["false"]),
        ("use_dynamic_shifting", ["false"]),
        ("invert_sigmas", ["false"]),
        ("interpolation_type", ["linear"]),
        ("timestep_type", ["discrete"]),
        ("sigma_min", ["null"]),
        ("sigma_max", ["null"]),
        ("original_inference_steps", ["50"]),
        ("timestep_scaling", ["10"]),
    ];

    /// <summary>Every key that is read, or that changes nothing while the settings above are as they must be.</summary>
    public static readonly HashSet<string> Known =
    [
        "_class_name", "_diffusers_version", "_name_or_path", "beta_start", "beta_end", "beta_schedule", "num_train_timesteps",
        "prediction_type", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr", "set_alpha_to_one", "final_sigmas_type",
        "use_karras_sigmas", "clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value", "flow_shift", "time_shift_type",
        .. Only.Select(setting => setting.Key),
    ];

    static readonly Dictionary<string, string> classes = new()
    {
        ["DDIMScheduler"] = "ddim",
        ["DDPMScheduler"] = "ddpm",
        ["PNDMScheduler"] = "pndm",
        ["EulerDiscreteScheduler"] = "euler",
        ["EulerAncestralDiscreteScheduler"] = "euler-a",
        ["HeunDiscreteScheduler"] = "heun",
        ["DPMSolverMultistepScheduler"] = "dpmpp-2m",
        ["UniPCMultistepScheduler"] = "unipc",
        ["LCMScheduler"] = "lcm",
    };

    /// <summary>The sampler that a class computes, or null.</summary>
    public static string? SamplerOf(string? className, string? algorithm, bool karras)
    {
        if (className is null || !classes.TryGetValue(className, out string? sampler))
        {
            return null;
        }

        sampler += sampler == "dpmpp-2m" && algorithm == "sde-dpmsolver++" ? "-sde" : "";
        bool hasKarras = sampler is "euler" or "heun" or "dpmpp-2m" or "dpmpp-2m-sde" or "unipc";
        return karras && hasKarras ? sampler + "-karras" : sampler;
    }
}
