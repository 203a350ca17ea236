using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

/// <summary>
/// Multistep samplers that start in the middle of their evaluations, as image to image does, against recurrences written out here on the
/// closed-form network of the scheduler goldens. Their history starts where they start.
/// </summary>
public sealed class MiddleStartTests
{
    const int Steps = 10;

    /// <summary>Both sides compute in double: some hundred roundings of 1e-16, each times the small sensitivity of the path.</summary>
    const double Rounding = 1e-12;

    static readonly NoiseSchedule schedule = NoiseSchedule.StableDiffusion;
    static readonly double[] start = [0.3, -1.2, 0.9];

    /// <summary>901, 811 .. 91.</summary>
    static readonly int[] timesteps = [.. Enumerable.Range(1, Steps).Select(i => i * (1000 / (Steps + 1)) + 1).Reverse()];

    [Test]
    public void DpmSolverStartsInFirstOrder([Values(false, true)] bool stochastic, [Values(0, 4, 8, 9)] int first)
    {
        double x = 0;
        double before = 0;
        AssertPath(stochastic ? "dpmpp-2m-sde" : "dpmpp-2m", first, (i, value) =>
        {
            x = i == first ? value : x;
            Level from = At(i);
            double x0 = (x - from.Sigma * Network(x, timesteps[i])) / from.Alpha;
            double slope = i == first ? 0 : (x0 - before) / (from.Lambda - At(i - 1).Lambda);
            before = x0;
            if (i == Steps - 1)
            {
                // To sigma 0 in first order: the prediction itself.
                return x = x0;
            }

            // The line through the last two predictions in the middle of the step.
            Level to = At(i + 1);
            double h = to.Lambda - from.Lambda;
            double middle = x0 + slope * h / 2;
            return x = stochastic
                ? to.Sigma / from.Sigma * Math.Exp(-h) * x - to.Alpha * Expm1(-2 * h) * middle
                    + to.Sigma * Math.Sqrt(-Expm1(-2 * h)) * Noise(i - first)
                : to.Sigma / from.Sigma * x - to.Alpha * Expm1(-h) * middle;
        });
    }

    /// <summary>
    /// The first step is of first order, the first corrector a mean of two predictions, and each later one the exact integral of
    /// e^lambda times the parabola through three predictions.
    /// </summary>
    [Test]
    public void UniPcStartsInFirstOrder([Values(0, 4, 8, 9)] int first)
    {
        double predicted = 0;
        double corrected = 0;
        var known = new List<double>();
        AssertPath("unipc", first, (i, value) =>
        {
            predicted = i == first ? value : predicted;
            known = i == first ? [] : known;
            Level now = At(i);
            double x0 = (predicted - now.Sigma * Network(predicted, timesteps[i])) / now.Alpha;
            corrected = i == first ? predicted : Correct(i, x0);
            known.Add(x0);
            bool firstOrder = i == first || i == Steps - 1;
            double slope = firstOrder ? 0 : (x0 - known[^2]) / (now.Lambda - At(i - 1).Lambda);
            double inside = firstOrder ? x0 : x0 + slope * (At(i + 1).Lambda - now.Lambda) / 2;
            return predicted = i == Steps - 1 ? inside : Exact(now, At(i + 1), corrected, inside, 0, 0);
        });

        double Correct(int i, double x0)
        {
            (Level from, Level to) = (At(i - 1), At(i));
            double old = known[^1];
            if (i - first == 1)
            {
                return Exact(from, to, corrected, (old + x0) / 2, 0, 0);
            }

            // old + a u + b u^2, which is x0 at u = 1 and the prediction before at u = r < 0.
            double r = (At(i - 2).Lambda - from.Lambda) / (to.Lambda - from.Lambda);
            double b = ((known[^2] - old) / r - (x0 - old)) / (r - 1);
            return Exact(from, to, corrected, old, x0 - old - b, b);
        }
    }

    /// <summary>
    /// diffusers' PNDMScheduler with skip_prk_steps counts its calls from 0 wherever it starts: the second call repeats the step that
    /// ends at its timestep, though only in a whole run that is the step of the first call.
    /// </summary>
    [Test]
    public void PndmCountsItsCallsFromTheStart([Values(0, 1, 2, 5, 9)] int first)
    {
        const int Ratio = 1000 / Steps;
        int[] leading = [.. Enumerable.Range(0, Steps).Select(i => i * Ratio + 1).Reverse()];
        int[] calls = [leading[0], leading[1], .. leading[1..]];
        double x = 0;
        double kept = 0;
        var saved = new List<double>();
        AssertPath("pndm", first, (i, value) =>
        {
            x = i == first ? value : x;
            saved = i == first ? [] : saved;
            (int from, int to) = (calls[i], calls[i] - Ratio);
            double eps = Network(x, calls[i]);
            int counter = i - first;
            if (counter == 1)
            {
                (from, to) = (calls[i] + Ratio, calls[i]);
                eps = (eps + saved[^1]) / 2;
                x = kept;
            }
            else
            {
                saved.Add(eps);
                kept = x;
                eps = saved.Count switch
                {
                    1 => eps,
                    2 => (3 * saved[^1] - saved[^2]) / 2,
                    3 => (23 * saved[^1] - 16 * saved[^2] + 5 * saved[^3]) / 12,
                    _ => (55 * saved[^1] - 59 * saved[^2] + 37 * saved[^3] - 9 * saved[^4]) / 24,
                };
            }

            double a = schedule.AlphasCumprod[from];
            double b = schedule.AlphasCumprod[Math.Max(0, to)];
            return x = Math.Sqrt(b / a) * x - (b - a) * eps / (a * Math.Sqrt(1 - b) + Math.Sqrt(a * (1 - a) * b));
        });
    }

    /// <summary>Runs the plan, and for each value alone <paramref name="step"/>: entry and start value to the value after it.</summary>
    static void AssertPath(string name, int first, Func<int, double, double> step)
    {
        SamplerPlan plan = Sampler.Plan(name, schedule, Steps, first);
        int evaluations = Steps + (name == "pndm" ? 1 : 0) - first;
        Assert.That(plan.Rows, Has.Count.EqualTo(evaluations));
        int draws = 0;
        double[][] path = [.. new PlanRun<double>(plan, [.. start]).Steps(Network, () => Same(Noise(draws++)))];
        for (int value = 0; value < start.Length; value++)
        {
            for (int i = 0; i < evaluations; i++)
            {
                double expected = step(first + i, start[value]);
                string what = $"{name} from {first}: evaluation {i} of {start[value]}";
                Assert.That(path[i][value], Is.EqualTo(expected).Within(Rounding), what);
            }
        }

        static double[] Same(double noise) => [.. start.Select(_ => noise)];
    }

    static double Network(double x, double t) => 0.9 * Math.Sin(x) + 0.1 * Math.Cos(t / 1000);

    static double Noise(int draw) => Math.Sin(7 * draw + 1);

    static Level At(int entry)
    {
        double sigma = schedule.SigmaAt(timesteps[entry]);
        double alpha = 1 / Math.Sqrt(1 + sigma * sigma);
        return new(alpha, alpha * sigma, -Math.Log(sigma));
    }

    /// <summary>sigma' / sigma x + sigma' times the integral of e^lambda (c + a u + b u^2), with u from 0 to 1 over the step.</summary>
    static double Exact(Level from, Level to, double x, double c, double a, double b)
    {
        double h = to.Lambda - from.Lambda;
        double moment0 = -Expm1(-h) / h;
        double moment1 = (1 - moment0) / h;
        double moment2 = (1 - 2 * moment1) / h;
        return to.Sigma / from.Sigma * x + to.Alpha * h * (c * moment0 + a * moment1 + b * moment2);
    }

    static double Expm1(double x) => Math.Exp(x) - 1;

    readonly record struct Level(double Alpha, double Sigma, double Lambda);
}
