using JeDi.Models;
using JeDi.Sampling.Samplers;

namespace JeDi.Sampling;

/// <summary>All samplers by name; the rules of each stand in its file of <c>Samplers/</c>.</summary>
public static class Sampler
{
    const string KarrasEnding = "-karras";

    static readonly (string Name, ZeroSnr ZeroSnr, Func<string, NoiseSchedule, int, int, SamplerPlan> Plan)[] All =
    [
        ("ddim", ZeroSnr.Exact, Ddim.Plan),
        ("ddpm", ZeroSnr.Exact, Ddpm.Plan),
        ("pndm", ZeroSnr.Unknown, Pndm.Plan),
        ("euler", ZeroSnr.Substituted, (name, s, n, first) => Euler.Plan(name, s, Even(s, n, Final(s)), first)),
        ("euler-karras", ZeroSnr.Substituted, (name, s, n, first) => Euler.Plan(name, s, EvenKarras(s, n, Final(s)), first)),
        ("euler-a", ZeroSnr.Substituted, (name, s, n, first) => EulerAncestral.Plan(name, s, Even(s, n, 0), first)),
        ("heun", ZeroSnr.Unknown, (name, s, n, first) => Heun.Plan(name, s, Even(s, n, 0), first)),
        ("heun-karras", ZeroSnr.Unknown, (name, s, n, first) => Heun.Plan(name, s, EvenKarras(s, n, 0), first)),
        ("dpmpp-2m", ZeroSnr.Substituted, (name, s, n, first) => DpmSolver.Plan(name, s, Logarithmic(s, n), first, false)),
        ("dpmpp-2m-karras", ZeroSnr.Substituted, (name, s, n, first) => DpmSolver.Plan(name, s, Overall(s, n), first, false)),
        ("dpmpp-2m-sde", ZeroSnr.Substituted, (name, s, n, first) => DpmSolver.Plan(name, s, Logarithmic(s, n), first, true)),
        ("dpmpp-2m-sde-karras", ZeroSnr.Substituted, (name, s, n, first) => DpmSolver.Plan(name, s, Overall(s, n), first, true)),
        ("unipc", ZeroSnr.Substituted, (name, s, n, first) => UniPc.Plan(name, s, Logarithmic(s, n), first)),
        ("unipc-karras", ZeroSnr.Substituted, (name, s, n, first) => UniPc.Plan(name, s, Overall(s, n), first)),
        ("lcm", ZeroSnr.Exact, Lcm.Plan),
    ];

    /// <summary>Every name that <see cref="Plan"/> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(sampler => sampler.Name)];

    /// <summary>The rows of a run of <paramref name="steps"/> steps, from evaluation <paramref name="first"/> on.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="schedule">What the network was trained on.</param>
    /// <param name="steps">1 to the number of training timesteps; LCM 1 to 50.</param>
    /// <param name="first">
    /// Where image to image enters (<see cref="FirstEvaluation"/>); the history of multistep samplers starts there.
    /// </param>
    /// <exception cref="SamplingException">Unknown sampler (lists them), steps out of range.</exception>
    public static SamplerPlan Plan(string name, NoiseSchedule schedule, int steps, int first = 0)
    {
        int karras = schedule.Config.Karras ? Array.FindIndex(All, sampler => sampler.Name == name + KarrasEnding) : -1;
        (_, ZeroSnr zeroSnr, var plan) = All[karras < 0 ? Index(name) : karras];
        int most = MostSteps(name, schedule);
        if (steps < 1 || steps > most)
        {
            throw new SamplingException($"steps: {steps} is out of range, sampler {name} takes 1 to {most}");
        }

        int last = Evaluations(name, steps) - 1;
        if (first < 0 || first > last || (IsHeun(name) && first % 2 != 0))
        {
            throw new SamplingException($"evaluation {first} is no start of a run of {name} with {steps} steps (0 to {last}, heun even)");
        }

        return plan(name, schedule.For(zeroSnr), steps, first);
    }

    /// <summary>
    /// The evaluation that image to image with this strength starts at: n - min(int(n s), n), and twice that for Heun, which
    /// evaluates every level but the last twice.
    /// </summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="steps">Steps of the whole run.</param>
    /// <param name="strength">0 (exclusive) = the image as it is, 1 = noise alone.</param>
    /// <exception cref="SamplingException">Strength out of range, or so low that no step is left.</exception>
    public static int FirstEvaluation(string name, int steps, double strength)
    {
        Index(name);
        if (!(strength > 0 && strength <= 1))
        {
            throw new SamplingException($"strength: {strength} is out of range, it takes more than 0 up to 1");
        }

        int kept = Math.Min((int)(steps * strength), steps);
        if (kept == 0)
        {
            throw new SamplingException(
                $"strength: {strength} leaves none of {steps} steps; raise it to {1.0 / steps:0.###} or take more steps");
        }

        return (steps - kept) * (IsHeun(name) ? 2 : 1);
    }

    static int Evaluations(string name, int steps) => IsHeun(name) ? 2 * steps - 1 : name == "pndm" && steps > 1 ? steps + 1 : steps;

    static bool IsHeun(string name) => name is "heun" or "heun-karras";

    static int Index(string name)
    {
        int index = Array.FindIndex(All, sampler => sampler.Name == name);
        return index >= 0 ? index : throw new SamplingException($"unknown sampler '{name}'; there are {string.Join(", ", Names)}");
    }

    /// <summary>Where n + 1 levels are spread over the table, each has a timestep of its own.</summary>
    static int MostSteps(string name, NoiseSchedule schedule)
    {
        bool spread = schedule.Config.Spacing == TimestepSpacing.Linspace && (name.StartsWith("dpmpp") || name.StartsWith("unipc"));
        return name == "lcm" ? Lcm.OriginalSteps : spread ? schedule.TrainSteps - 1 : schedule.TrainSteps;
    }

    static double Final(NoiseSchedule schedule) => schedule.Config.FinalSigmaIsSmallest ? schedule.SigmaAt(0) : 0;

    static SigmaLadder Even(NoiseSchedule schedule, int steps, double final) =>
        SigmaLadder.At(schedule, Timesteps.Real(schedule, steps), final);

    static SigmaLadder EvenKarras(NoiseSchedule schedule, int steps, double final) =>
        SigmaLadder.KarrasWithin(schedule, Timesteps.Real(schedule, steps), final);

    static SigmaLadder Logarithmic(NoiseSchedule schedule, int steps) =>
        SigmaLadder.At(schedule, Timesteps.WithoutLowest(schedule, steps), Final(schedule));

    static SigmaLadder Overall(NoiseSchedule schedule, int steps) => SigmaLadder.KarrasOverall(schedule, steps, Final(schedule));
}
