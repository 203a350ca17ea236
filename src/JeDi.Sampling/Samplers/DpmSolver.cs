using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2) and SDE-DPM-Solver++(2M) (its section 5), midpoint form, on lambda = log(alpha / sigma):
/// the exact solution of the linear part and a line through the last two x0 predictions. The first and the last step (to sigma 0) are
/// of first order.
/// </summary>
static class DpmSolver
{
    const int Last = 3;
    const int BeforeLast = 4;

    /// <summary>Runs of fewer steps end with one of first order, wherever it goes.</summary>
    const int FewSteps = 15;

    public static SamplerPlan Plan(string name, NoiseSchedule schedule, SigmaLadder ladder, int first, bool stochastic)
    {
        var plan = new PlanBuilder(name, schedule, BeforeLast, Last, SamplerPlan.X);
        for (int i = first; i < ladder.Count; i++)
        {
            NoiseLevel now = NoiseLevel.VariancePreserving(ladder.Sigmas[i]);
            NoiseLevel next = NoiseLevel.VariancePreserving(ladder.Sigmas[i + 1]);
            LinearForm x0 = State(Last);
            bool lowest = i == ladder.Count - 1 && (next.Sigma == 0 || ladder.Count < FewSteps);
            if (i > first && !lowest)
            {
                double h = Math.Log(ladder.Sigmas[i] / ladder.Sigmas[i + 1]);
                double h0 = Math.Log(ladder.Sigmas[i - 1] / ladder.Sigmas[i]);
                x0 += h / (2 * h0) * (State(Last) - State(BeforeLast));
            }

            // exp(-h) of the step; the SDE forgets the latent twice as fast and replaces what it forgot with noise.
            double decay = ladder.Sigmas[i + 1] / ladder.Sigmas[i];
            double kept = stochastic ? decay * decay : decay;
            LinearForm update = next.Sigma / now.Sigma * (stochastic ? decay : 1) * X + next.Alpha * (1 - kept) * x0;
            update += stochastic ? next.Sigma * Math.Sqrt(1 - kept) * Noise : Zero;
            plan.VariancePreserving(ladder.Timesteps[i], now, [i > first ? State(Last) : Zero, plan.Clean(now), update], stochastic);
        }

        return plan.Build();
    }
}
