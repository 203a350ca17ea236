using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

public sealed class SamplerTests
{
    static readonly NoiseSchedule schedule = NoiseSchedule.StableDiffusion;

    static readonly string[] deterministic =
        ["ddim", "pndm", "euler", "euler-karras", "heun", "heun-karras", "dpmpp-2m", "dpmpp-2m-karras", "unipc", "unipc-karras"];

    static readonly string[] memoryless = ["ddim", "ddpm", "euler", "euler-karras", "euler-a", "heun", "heun-karras", "lcm"];

    [TestCaseSource(typeof(Sampler), nameof(Sampler.Names))]
    public void EveryStepCountGivesAFinitePlan(string name)
    {
        foreach (int steps in Enumerable.Range(1, 60).Append(999).Append(1000).Where(n => name != "lcm" || n <= 50))
        {
            SamplerPlan plan = Sampler.Plan(name, schedule, steps);
            int evaluations = name.StartsWith("heun") ? 2 * steps - 1 : name == "pndm" && steps > 1 ? steps + 1 : steps;
            Assert.That(plan.Rows, Has.Count.EqualTo(evaluations));
            foreach (SamplerRow row in plan.Rows)
            {
                Assert.That(row.Coefficients.SelectMany(c => c).All(double.IsFinite), $"{name} {steps}: t = {row.Timestep}");
                Assert.That(row.Timestep, Is.InRange(0, 999));
            }
        }
    }

    /// <summary>A saved state that was never written is NaN in <see cref="PlanRun{T}"/>: no coefficient may reach it.</summary>
    [TestCaseSource(typeof(Sampler), nameof(Sampler.Names))]
    public void NeverReadsWhatWasNotWritten(string name)
    {
        foreach (int steps in new[] { 1, 2, 3, 4, 7 })
        {
            for (int first = 0; first < steps; first++)
            {
                SamplerPlan plan = Sampler.Plan(name, schedule, steps, name.StartsWith("heun") ? 2 * first : first);
                double[] end = Run(plan, [0.3, -1.2], (x, _) => 0.1 * x, () => { });
                Assert.That(end, Has.All.Matches<double>(double.IsFinite), $"{name} {steps} from {first}");
            }
        }
    }

    /// <summary>
    /// The network that knows the image x0 = 0.7 gives it back, from any noise; DDIM and PNDM stop at the level of timestep 0.
    /// </summary>
    [TestCaseSource(typeof(Sampler), nameof(Sampler.Names))]
    public void TheNetworkThatKnowsTheImageGivesIt(string name)
    {
        const double Image = 0.7;
        foreach (int steps in new[] { 1, 4, 13 })
        {
            SamplerPlan plan = Sampler.Plan(name, schedule, steps);
            int row = 0;
            double[] start = [0.3 * plan.InitialScale, -1.2 * plan.InitialScale];
            double[] end = Run(plan, start, (x, _) => NoiseOf(x / plan.Rows[row].InputScale, plan.Rows[row].Level), () => row++);
            NoiseLevel left = name is "ddim" or "pndm" ? schedule.LevelAt(0) : NoiseLevel.Clean;
            double expected = name == "lcm" ? Image : left.Alpha * Image + left.Sigma * NoiseOf(start[0], plan.Rows[0].Level);

            // The skip connection of a consistency function at timestep t is 0.25 / (100 t^2 + 0.25) of the latent.
            Assert.That(end[0], Is.EqualTo(expected).Within(name == "lcm" ? 1e-6 : 1e-9), $"{name} {steps}");
        }

        static double NoiseOf(double x, NoiseLevel level) => (x - level.Alpha * Image) / level.Sigma;
    }

    /// <summary>
    /// Data of a normal distribution with deviation s have the exact prediction eps = sigma x / (s^2 + sigma^2) in x0 + sigma noise, and
    /// the exact path x proportional to sqrt(s^2 + sigma^2): the error on it, far from the ends, falls with the sampler's order.
    /// </summary>
    [TestCase("ddim", 1)]
    [TestCase("euler", 1)]
    [TestCase("heun", 2)]
    [TestCase("heun-karras", 2)]
    [TestCase("dpmpp-2m", 2)]
    [TestCase("dpmpp-2m-karras", 2)]
    [TestCase("unipc", 2)]
    [TestCase("unipc-karras", 2)]
    [TestCase("pndm", 2)]
    public void ConvergesWithItsOrder(string name, int order)
    {
        double coarse = PathError(name, 25);
        double fine = PathError(name, 100);
        Assert.That(Math.Log(coarse / fine, 4), Is.GreaterThan(order - 0.3), $"errors {coarse:g3} and {fine:g3}");
    }

    [TestCaseSource(nameof(memoryless))]
    public void AStartInTheMiddleIsTheTailOfTheWholeRun(string name)
    {
        SamplerPlan whole = Sampler.Plan(name, schedule, 10);
        SamplerPlan tail = Sampler.Plan(name, schedule, 10, first: 4);
        SamplerRow[] expected = [.. whole.Rows.Skip(4)];
        Assert.That(tail.Rows, Has.Count.EqualTo(expected.Length));
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.That(Scalars(tail.Rows[i]), Is.EqualTo(Scalars(expected[i])));
            Assert.That(tail.Rows[i].Coefficients, Is.EqualTo(expected[i].Coefficients));
        }
    }

    /// <summary>Both stages of Heun, and both evaluations of PNDM's first step, are one step; a run from the middle has its own.</summary>
    [TestCase("ddim", 0, new[] { 0, 0.25, 0.5, 0.75 })]
    [TestCase("ddim", 2, new[] { 0, 0.5 })]
    [TestCase("heun", 0, new[] { 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75 })]
    [TestCase("heun", 4, new[] { 0, 0, 0.5 })]
    [TestCase("heun", 6, new[] { 0.0 })]
    [TestCase("pndm", 0, new[] { 0, 0, 0.25, 0.5, 0.75 })]
    [TestCase("pndm", 2, new[] { 0, 0, 0.5 })]
    [TestCase("pndm", 4, new[] { 0.0 })]
    public void SharesAreOfSteps(string name, int first, double[] shares)
    {
        SamplerPlan plan = Sampler.Plan(name, schedule, 4, first);
        Assert.That(Enumerable.Range(0, plan.Rows.Count).Select(plan.ShareBefore), Is.EqualTo(shares));
    }

    [TestCaseSource(nameof(deterministic))]
    public void DrawsNothing(string name) => Assert.That(Sampler.Plan(name, schedule, 6).Rows.Any(row => row.DrawsNoise), Is.False);

    [TestCase("ddpm", 6)]
    [TestCase("euler-a", 6)]
    [TestCase("dpmpp-2m-sde", 6)]
    [TestCase("lcm", 5)]
    public void DrawsOnceAStep(string name, int draws) =>
        Assert.That(Sampler.Plan(name, schedule, 6).Rows.Count(row => row.DrawsNoise), Is.EqualTo(draws));

    /// <summary>
    /// With x0 known to be 0 the latent stays noise of the right deviation: the added variance makes up for what is forgotten.
    /// </summary>
    [TestCase("ddpm")]
    [TestCase("euler-a")]
    [TestCase("dpmpp-2m-sde")]
    [TestCase("dpmpp-2m-sde-karras")]
    public void StochasticStepsKeepTheVariance(string name)
    {
        SamplerPlan plan = Sampler.Plan(name, schedule, 9);
        for (int i = 0; i + 1 < plan.Rows.Count; i++)
        {
            double[] c = plan.Rows[i].Coefficients[^1];

            // eps = x / sigma where x0 = 0, and the saved predictions of x0 are 0.
            double kept = c[SamplerPlan.X] + c[SamplerPlan.Prediction] / plan.Rows[i].Level.Sigma;
            double variance = Math.Pow(kept * plan.Rows[i].Level.Sigma, 2) + Math.Pow(c[SamplerPlan.Noise], 2);
            Assert.That(Math.Sqrt(variance), Is.EqualTo(plan.Rows[i + 1].Level.Sigma).Within(1e-12 * plan.Rows[0].Level.Sigma));
        }
    }

    [TestCase("ddim", 10, 0.6, 4)]
    [TestCase("ddim", 10, 1.0, 0)]
    [TestCase("heun", 10, 0.6, 8)]
    [TestCase("pndm", 5, 0.4, 3)]
    [TestCase("euler", 5, 0.999, 1)]
    public void StrengthChoosesTheFirstEvaluation(string name, int steps, double strength, int first) =>
        Assert.That(Sampler.FirstEvaluation(name, steps, strength), Is.EqualTo(first));

    [Test]
    public void RefusesInOneLine()
    {
        Assert.That(Refusal(() => Sampler.Plan("dpm", schedule, 10)), Does.Contain("'dpm'").And.Contain("dpmpp-2m-sde-karras"));
        Assert.That(Refusal(() => Sampler.Plan("ddim", schedule, 0)), Does.Contain("1 to 1000"));
        Assert.That(Refusal(() => Sampler.Plan("ddim", schedule, 1001)), Does.Contain("1 to 1000"));
        Assert.That(Refusal(() => Sampler.Plan("lcm", schedule, 51)), Does.Contain("1 to 50"));
        Assert.That(Refusal(() => Sampler.Plan("heun", schedule, 10, 3)), Does.Contain("evaluation 3"));
        Assert.That(Refusal(() => Sampler.Plan("ddim", schedule, 10, 10)), Does.Contain("evaluation 10"));
        Assert.That(Refusal(() => Sampler.FirstEvaluation("ddim", 10, 1.5)), Does.Contain("1.5"));
        Assert.That(Refusal(() => Sampler.FirstEvaluation("ddim", 10, double.NaN)), Does.Contain("NaN"));
        Assert.That(Refusal(() => Sampler.FirstEvaluation("ddim", 10, 0.05)), Does.Contain("0.1"));
    }

    /// <summary>Largest relative error on the path of Gaussian data, from the first level below sigma = 5 to the last above 0.3.</summary>
    static double PathError(string name, int steps)
    {
        const double Deviation = 0.8;
        SamplerPlan plan = Sampler.Plan(name, schedule, steps);
        int first = plan.Rows.ToList().FindIndex(row => row.Level.Sigma / row.Level.Alpha < 5);
        first += name.StartsWith("heun") ? first % 2 : 0;
        plan = Sampler.Plan(name, schedule, steps, name == "pndm" ? 0 : first);
        SamplerRow[] rows = [.. plan.Rows];
        int row = 0;
        double worst = 0;
        Run(plan, [Path(rows[0].Level)], Network, () => row++, latent => worst = Math.Max(worst, Error(latent)));
        return worst;

        double Error(double latent) =>
            row < rows.Length && rows[row].Level.Sigma / rows[row].Level.Alpha > 0.3 ? Math.Abs(latent / Path(rows[row].Level) - 1) : 0;

        double Path(NoiseLevel level) => Math.Sqrt(level.Alpha * level.Alpha * Deviation * Deviation + level.Sigma * level.Sigma);

        double Network(double scaled, double t)
        {
            NoiseLevel level = rows[row].Level;
            return level.Sigma * (scaled / rows[row].InputScale) / (Path(level) * Path(level));
        }
    }

    static double[] Run(
        SamplerPlan plan, double[] start, Func<double, double, double> network, Action afterStep, Action<double>? see = null)
    {
        double[] end = start;
        foreach (double[] x in new PlanRun<double>(plan, start).Steps(network, () => [0, 0]))
        {
            end = x;
            afterStep();
            see?.Invoke(x[0]);
        }

        return end;
    }

    static (double, double, NoiseLevel, bool) Scalars(SamplerRow row) => (row.Timestep, row.InputScale, row.Level, row.DrawsNoise);

    static string Refusal(Action run)
    {
        string message = Assert.Throws<SamplingException>(() => run())!.Message;
        Assert.That(message, Does.Not.Contain("\n"));
        return message;
    }
}
