using static JeDi.Sampling.LinearForm;

namespace JeDi.Sampling.Samplers;

/// <summary>
/// UniPC-2 on x0 predictions with B(h) = e^h - 1 ("bh2") (Zhao et al. 2023, algorithms 1 and 2): each evaluation first corrects the
/// latent it was made at (from the second on), then predicts the next one; an evaluation serves both. The last step is of first order.
/// </summary>
static class UniPc
{
    const int Last = 3;
    const int BeforeLast = 4;
    const int Corrected = 5;

    public static SamplerPlan Plan(string name, NoiseSchedule schedule, SigmaLadder ladder, int first)
    {
        var plan = new PlanBuilder(name, schedule, Corrected, BeforeLast, Last, SamplerPlan.X);
        double[] sigmas = ladder.Sigmas;
        for (int i = first; i < ladder.Count; i++)
        {
            NoiseLevel now = NoiseLevel.VariancePreserving(sigmas[i]);
            LinearForm prediction = plan.Clean(now);
            LinearForm corrected = i == first ? X : Correct(sigmas, i, i - first == 1 ? 1 : 2, prediction);
            LinearForm next = Predict(sigmas, i, i == first || i == ladder.Count - 1 ? 1 : 2);
            plan.VariancePreserving(ladder.Timesteps[i], now, [corrected, i > first ? State(Last) : Zero, prediction, next]);
        }

        return plan.Build();
    }

    /// <summary>UniP: from level i, with x0 predictions Last at it and BeforeLast at the level before, to level i + 1.</summary>
    static LinearForm Predict(double[] sigmas, int i, int order)
    {
        LinearForm x0 = State(Last);
        if (order == 2)
        {
            x0 += 0.5 / Ratio(sigmas, i) * (State(BeforeLast) - State(Last));
        }

        return Step(sigmas[i], sigmas[i + 1], State(Corrected), x0);
    }

    /// <summary>
    /// UniC: the step that led from level i - 1 to level i once more, now with <paramref name="x0"/>, the prediction at its end, too.
    /// </summary>
    static LinearForm Correct(double[] sigmas, int i, int order, LinearForm x0)
    {
        LinearForm end = x0 - State(Last);
        if (order == 1)
        {
            return Step(sigmas[i - 1], sigmas[i], State(Corrected), State(Last) + 0.5 * end);
        }

        // The weights solve [1 1; r 1] rho = b with b_k = k! phi_{k+1}(-h) (-h) / (e^-h - 1): the paper's R_2 rho = b.
        double r = Ratio(sigmas, i - 1);
        double minusH = Math.Log(sigmas[i] / sigmas[i - 1]);
        double growth = sigmas[i] / sigmas[i - 1] - 1;
        double phi2 = growth / minusH - 1;
        double phi3 = phi2 / minusH - 0.5;
        double b1 = phi2 / growth;
        double b2 = 2 * phi3 / growth;
        double rho1 = (b1 - b2) / (1 - r);
        double rho2 = b1 - rho1;
        return Step(sigmas[i - 1], sigmas[i], State(Corrected), State(Last) + rho1 / r * (State(BeforeLast) - State(Last)) + rho2 * end);
    }

    /// <summary>The exact solution for a constant x0: x' = sigma'/sigma x + alpha' (1 - e^-h) x0.</summary>
    static LinearForm Step(double from, double to, LinearForm x, LinearForm x0)
    {
        NoiseLevel now = NoiseLevel.VariancePreserving(from);
        NoiseLevel next = NoiseLevel.VariancePreserving(to);
        return next.Sigma / now.Sigma * x + next.Alpha * (1 - to / from) * x0;
    }

    /// <summary>(lambda of the level before i - lambda_i) / (lambda of the next level - lambda_i): negative.</summary>
    static double Ratio(double[] sigmas, int i) => Math.Log(sigmas[i] / sigmas[i - 1]) / Math.Log(sigmas[i] / sigmas[i + 1]);
}
