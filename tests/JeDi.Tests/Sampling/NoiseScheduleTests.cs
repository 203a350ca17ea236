using JeDi.Models;
using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

public sealed class NoiseScheduleTests
{
    [Test]
    public void ConfigOfStableDiffusionGivesItsTables()
    {
        NoiseSchedule schedule = Parse("""
            {"_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
             "num_train_timesteps": 1000, "trained_betas": null, "steps_offset": 1, "set_alpha_to_one": false}
            """);
        Assert.That(schedule.AlphasCumprod.ToArray(), Is.EqualTo(NoiseSchedule.StableDiffusion.AlphasCumprod.ToArray()));
    }

    [Test]
    public void LinearBetasGiveDdpmsOwnSchedule()
    {
        NoiseSchedule schedule = Parse("""{"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}""");
        double product = 1;
        for (int t = 0; t < 1000; t++)
        {
            product *= 1 - (0.0001 + t / 999.0 * (0.02 - 0.0001));
            Assert.That(schedule.AlphasCumprod[t], Is.EqualTo(product).Within(5e-6 * product + 1e-7));
        }
    }

    [Test]
    public void TimestepOfInvertsSigma([Values(0, 1, 17, 500, 998, 999)] int timestep) =>
        Assert.That(
            NoiseSchedule.StableDiffusion.TimestepOf(NoiseSchedule.StableDiffusion.SigmaAt(timestep)), Is.EqualTo(timestep).Within(1e-4));

    [Test]
    public void TimestepOfStaysWithinTheTable()
    {
        Assert.That(NoiseSchedule.StableDiffusion.TimestepOf(1e-9), Is.Zero);
        Assert.That(NoiseSchedule.StableDiffusion.TimestepOf(1e9), Is.EqualTo(999));
    }

    /// <summary>Nothing is left of the image at the last timestep, the first stays; samplers that divide by it get 2^-24.</summary>
    [Test]
    public void ZeroSnrKeepsTheFirstAndEndsAtNothing()
    {
        NoiseSchedule schedule = Parse("""{"rescale_betas_zero_snr": true}""");
        NoiseSchedule exact = schedule.For(ZeroSnr.Exact);
        Assert.That(exact.LevelAt(999), Is.EqualTo(new NoiseLevel(0, 1)));
        Assert.That(exact.AlphasCumprod[0], Is.EqualTo(schedule.AlphasCumprod[0]).Within(2e-7));
        Assert.That(schedule.For(ZeroSnr.Substituted).SigmaAt(999), Is.EqualTo(4096).Within(0.001));
        Assert.That(schedule.For(ZeroSnr.Unknown), Is.SameAs(schedule));
    }

    /// <summary>A network that predicts noise says nothing of the image where it is all noise; one that predicts v does.</summary>
    [TestCase("ddim")]
    [TestCase("ddpm")]
    public void NoiseAloneTellsNoImage(string sampler)
    {
        const string trailing = "\"rescale_betas_zero_snr\": true, \"timestep_spacing\": \"trailing\"";
        Assert.That(
            () => Sampler.Plan(sampler, Parse($$"""{{{trailing}}}"""), 4),
            Throws.TypeOf<SamplingException>().With.Message.Contains("timestep_spacing"));
        SamplerPlan plan = Sampler.Plan(sampler, Parse($$"""{"prediction_type": "v_prediction", {{trailing}}}"""), 4);
        Assert.That(plan.Rows[0].Clean, Is.EqualTo((0.0, -1.0)), "the preview is what v says");
    }

    /// <summary>The image of a preview is the one that was noised, whatever the network predicts and the sampler keeps.</summary>
    [Test]
    public void PreviewsSeeTheImage(
        [Values("epsilon", "v_prediction", "sample")] string prediction, [ValueSource(typeof(Sampler), nameof(Sampler.Names))] string name)
    {
        (double x0, double noise) = (0.3, -1.7);
        foreach (SamplerRow row in Sampler.Plan(name, Parse($$"""{"prediction_type": "{{prediction}}"}"""), 5).Rows)
        {
            (double alpha, double sigma) = row.Level;
            double length = Math.Sqrt(alpha * alpha + sigma * sigma);
            double says = prediction switch
            {
                "epsilon" => noise,
                "sample" => x0,
                _ => (alpha * noise - sigma * x0) / length,
            };
            double x = alpha * x0 + sigma * noise;
            Assert.That(row.Clean.X * x + row.Clean.Prediction * says, Is.EqualTo(x0).Within(1e-12));
        }
    }

    static NoiseSchedule Parse(string json) => new(ScheduleConfig.Read(ConfigReader.Parse(json, "scheduler_config.json")));
}
