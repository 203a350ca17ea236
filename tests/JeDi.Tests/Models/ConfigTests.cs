using System.Text;
using System.Text.Json.Nodes;
using JeDi.Models;
using JeDi.Tensors;
using JeDi.Tests.Files;

namespace JeDi.Tests.Models;

/// <summary>What configs say is either computed or refused by name, in one line, whatever bytes they hold.</summary>
public sealed class ConfigTests
{
    [TestCase("block_out_channels", "[4, 8, 8, 8]", "norm_num_groups")]
    [TestCase("block_out_channels", "\"wide\"", "block_out_channels")]
    [TestCase("block_out_channels", "[]", "block_out_channels")]
    [TestCase("attention_head_dim", "[2, 2]", "attention_head_dim")]
    [TestCase("attention_head_dim", "3", "attention_head_dim")]
    [TestCase("layers_per_block", "-1", "layers_per_block")]
    [TestCase("layers_per_block", "1.5", "layers_per_block")]
    [TestCase("norm_eps", "1e999", "norm_eps")]
    [TestCase("down_block_types", "[\"AttnDownBlock2D\", \"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\"]", "AttnDownBlock2D")]
    [TestCase("up_block_types", "[\"UpBlock2D\"]", "up_block_types")]
    [TestCase("mid_block_type", "\"UNetMidBlock2DSimpleCrossAttn\"", "mid_block_type")]
    [TestCase("class_embed_type", "\"timestep\"", "class_embed_type")]
    [TestCase("addition_embed_type", "\"text_time\"", "addition_embed_type")]
    [TestCase("resnet_time_scale_shift", "\"scale_shift\"", "resnet_time_scale_shift")]
    [TestCase("dual_cross_attention", "true", "dual_cross_attention")]
    [TestCase("freq_shift", "1", "freq_shift")]
    [TestCase("in_channels", "8", "in_channels")]
    [TestCase("in_channels", "1e9", "in_channels")]
    public void WrongOrUnsupportedSettingIsNamed(string key, string value, string named)
    {
        JsonObject json = TinyUNet(4);
        json[key] = value == "1e999" ? null : JsonNode.Parse(value);
        string text = value == "1e999" ? json.ToJsonString().Replace("\"norm_eps\":null", "\"norm_eps\":1e999") : json.ToJsonString();
        CheckpointException error = Assert.Throws<CheckpointException>(() => UNetConfig.Read(ConfigReader.Parse(text, "here.json")))!;
        Assert.That(error.Message, Does.StartWith("here.json").And.Contain(named).And.Not.Contain("\n"));
    }

    [TestCase("mask,noisy,clean", InputLayout.MaskNoisyClean)]
    [TestCase("noisy,mask,clean", InputLayout.NoisyMaskClean)]
    [TestCase(null, InputLayout.NoisyMaskClean)]
    public void NineChannelsHaveTheNamedOrderOrTheUsualOne(string? layout, InputLayout expected)
    {
        JsonObject json = TinyUNet(9);
        json["input_layout"] = layout;
        Assert.That(UNetConfig.Read(ConfigReader.Parse(json.ToJsonString(), "")).InputLayout, Is.EqualTo(expected));
    }

    /// <summary>A key of one number counts for every level; unknown keys are ignored.</summary>
    [Test]
    public void ListsAndNumbersMeanTheSame()
    {
        JsonObject json = TinyUNet(4);
        UNetConfig plain = UNetConfig.Read(ConfigReader.Parse(json.ToJsonString(), ""));
        json["layers_per_block"] = new JsonArray(2, 2, 2, 2);
        json["attention_head_dim"] = 77;
        json["num_attention_heads"] = new JsonArray(2, 2, 2, 2);
        json["some_new_key"] = "some value";
        UNetConfig lists = UNetConfig.Read(ConfigReader.Parse(json.ToJsonString(), ""));
        Assert.That(lists.Layers, Is.EqualTo(plain.Layers));
        Assert.That(lists.Heads, Is.EqualTo(plain.Heads));
    }

    /// <summary>A key that is absent changes nothing; what is computed in one way only is refused by name where it says another.</summary>
    [TestCase("clip_sample", "true")]
    [TestCase("thresholding", "true")]
    [TestCase("trained_betas", "[0.1, 0.2]")]
    [TestCase("solver_order", "3")]
    [TestCase("solver_type", "\"heun\"")]
    [TestCase("algorithm_type", "\"dpmsolver\"")]
    [TestCase("use_exponential_sigmas", "true")]
    [TestCase("skip_prk_steps", "false")]
    [TestCase("variance_type", "\"fixed_large\"")]
    [TestCase("lambda_min_clipped", "-5.1")]
    [TestCase("prediction_type", "\"flow_prediction\"")]
    [TestCase("timestep_spacing", "\"log\"")]
    [TestCase("beta_schedule", "\"sigmoid\"")]
    [TestCase("beta_schedule", "\"lin\\near\\u0007\"")]
    [TestCase("beta_start", "NaN")]
    [TestCase("beta_end", "Infinity")]
    [TestCase("steps_offset", "1000")]
    public void SchedulerSettingIsComputedOrNamed(string key, string value)
    {
        string text = $$"""{"{{key}}": {{value}}}""";
        CheckpointException error = Assert.Throws<CheckpointException>(() => ScheduleConfig.Read(ConfigReader.Parse(text, "s.json")))!;
        Assert.That(error.Message, Does.StartWith("s.json").And.Contain(key).And.Not.Contain("\n"));
    }

    [Test]
    public void AbsentSchedulerSettingsAreTheUsualRules()
    {
        Assert.That(ScheduleConfig.Read(ConfigReader.Parse("{}", "s.json")), Is.EqualTo(new ScheduleConfig()));
        ConfigReader saved = ConfigReader.Parse(
            """{"lambda_min_clipped": -Infinity, "clip_sample_range": Infinity, "trained_betas": null, "by": "me"}""", "s.json");
        Assert.That(ScheduleConfig.Read(saved), Is.EqualTo(new ScheduleConfig()));
        Assert.That(ScheduleConfig.Doubts(saved), Has.One.Items.And.Some.Contains("'by'"));
    }

    [TestCase("DDIMScheduler", "", "ddim")]
    [TestCase("PNDMScheduler", "", "pndm")]
    [TestCase("EulerDiscreteScheduler", "", "euler")]
    [TestCase("EulerDiscreteScheduler", ", \"use_karras_sigmas\": true", "euler-karras")]
    [TestCase("EulerAncestralDiscreteScheduler", ", \"use_karras_sigmas\": true", "euler-a")]
    [TestCase("DPMSolverMultistepScheduler", "", "dpmpp-2m")]
    [TestCase("DPMSolverMultistepScheduler", ", \"algorithm_type\": \"sde-dpmsolver++\"", "dpmpp-2m-sde")]
    [TestCase("UniPCMultistepScheduler", "", "unipc")]
    [TestCase("LCMScheduler", "", "lcm")]
    [TestCase("LMSDiscreteScheduler", "", null)]
    public void ClassNameIsTheDefaultSampler(string name, string more, string? sampler)
    {
        ConfigReader json = ConfigReader.Parse($$"""{"_class_name": "{{name}}"{{more}}}""", "s.json");
        Assert.That(ScheduleConfig.Read(json).Sampler, Is.EqualTo(sampler));
        Assert.That(ScheduleConfig.Doubts(json).Any(), Is.EqualTo(sampler is null));
        Assert.That(sampler is null || JeDi.Sampling.Sampler.Names.Contains(sampler));
    }

    /// <summary>
    /// Thousands of damaged configs: each is read or refused in one line, quickly and in little memory. The second kind of damage puts
    /// whole values in the place of others, so that the JSON often stays valid.
    /// </summary>
    [TestCase("unet/config.json")]
    [TestCase("vae/config.json")]
    [TestCase("text_encoder/config.json")]
    [TestCase("scheduler/scheduler_config.json")]
    [TestCase("model_index.json")]
    public void DamagedConfigsAreReadOrRefused(string file)
    {
        JsonObject json = Presets.Files("tiny", 9)[file];
        if (file == "model_index.json")
        {
            json["defaults"] = JsonNode.Parse("""{"width": 128, "height": 128, "steps": 20, "sampler": "ddim", "text_scale": 3.0}""");
        }

        byte[] text = Encoding.UTF8.GetBytes(json.ToJsonString());
        string[] pieces =
        [
            "null", "-1", "1e308", "1e-400", "99999999999999999999", "[]", "{}", "\"\"", "\"\\ud800\"", "true", "[[[[", "\0", "😀",
        ];
        (_, int bySyntax) = Fuzz.Run(1000, 20240607, [text], ReadOne);
        (int read, int byValue) = Fuzz.Run(4000, 20240607, [text], ReadOne, (bytes, random) => Damage(bytes, pieces, random));
        Assert.That(read, Is.Positive);
        Assert.That(bySyntax, Is.GreaterThan(250));
        Assert.That(byValue, Is.GreaterThan(1000));

        void ReadOne(byte[] bytes)
        {
            try
            {
                Read(file, ConfigReader.Parse(Encoding.UTF8.GetString(bytes), "x.json"));
            }
            catch (CheckpointException error)
            {
                Assert.That(error.Message, Does.StartWith("x.json"));
                throw;
            }
        }
    }

    [Test]
    public void NestingWithoutEndIsRefused() => Assert.That(
        () => ConfigReader.Parse(new string('[', 1_000_000), "deep.json"),
        Throws.TypeOf<CheckpointException>().With.Message.Contains("deep.json"));

    static void Read(string file, ConfigReader json)
    {
        switch (file)
        {
            case "unet/config.json":
                UNetConfig.Read(json);
                break;
            case "vae/config.json":
                VaeConfig.Read(json);
                break;
            case "text_encoder/config.json":
                ClipTextConfig.Read(json);
                break;
            case "model_index.json":
                ModelDefaults.Read(json);
                break;
            default:
                ScheduleConfig.Read(json);
                break;
        }
    }

    static byte[] Damage(byte[] text, string[] pieces, Random random)
    {
        List<byte> bytes = [.. text];
        for (int change = random.Next(1, 4); change > 0; change--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at - 1));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(pieces[random.Next(pieces.Length)]));
                    break;
                case 3:
                    ReplaceValue(bytes, at, pieces[random.Next(pieces.Length)]);
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(0, at / 2));
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Another value for the next key, so that the JSON stays valid.</summary>
    static void ReplaceValue(List<byte> bytes, int at, string piece)
    {
        int colon = bytes.IndexOf((byte)':', at);
        int end = colon < 0 ? -1 : bytes.FindIndex(colon, b => b is (byte)',' or (byte)'}');
        if (end > 0)
        {
            bytes.RemoveRange(colon + 1, end - colon - 1);
            bytes.InsertRange(colon + 1, Encoding.UTF8.GetBytes(piece));
        }
    }

    static JsonObject TinyUNet(int channels) => Presets.Files("tiny", channels)["unet/config.json"];
}
