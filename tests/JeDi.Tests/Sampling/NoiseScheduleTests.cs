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

    [TestCase("""{"prediction_type": "v_prediction"}""", "prediction_type")]
    [TestCase("""{"beta_schedule": "squaredcos_cap_v2"}""", "beta_schedule")]
    [TestCase("""{"rescale_betas_zero_snr": true}""", "rescale_betas_zero_snr")]
    [TestCase("""{"trained_betas": [0.1, 0.2]}""", "trained_betas")]
    public void RefusesByName(string json, string expected)
    {
        string message = Assert.Throws<CheckpointException>(() => Parse(json))!.Message;
        Assert.That(message, Does.Contain(expected).And.Not.Contain("\n"));
    }

    static NoiseSchedule Parse(string json) => new(ScheduleConfig.Read(ConfigReader.Parse(json, "scheduler_config.json")));
}
