using System.Numerics;
using JeDi.Sampling;

namespace JeDi.Tests.Sampling;

/// <summary>Runs a plan on the host as a device does: state by state, in place, in one precision. What was never written is NaN.</summary>
sealed class PlanRun<T>
    where T : IFloatingPointIeee754<T>
{
    readonly SamplerPlan plan;
    readonly T[][] states;

    public PlanRun(SamplerPlan plan, T[] start)
    {
        this.plan = plan;
        states = [.. Enumerable.Range(0, plan.StateCount).Select(_ => Enumerable.Repeat(T.NaN, start.Length).ToArray())];
        states[SamplerPlan.X] = start;
    }

    /// <summary>The latents after each step.</summary>
    /// <param name="network">eps of one value at a timestep.</param>
    /// <param name="noise">A fresh draw.</param>
    public IEnumerable<T[]> Steps(Func<T, double, T> network, Func<T[]> noise)
    {
        foreach (SamplerRow row in plan.Rows)
        {
            T scale = T.CreateChecked(row.InputScale);
            states[SamplerPlan.Prediction] = [.. states[SamplerPlan.X].Select(x => network(x * scale, row.Timestep))];
            if (row.DrawsNoise)
            {
                states[SamplerPlan.Noise] = noise();
            }

            for (int target = 0; target < plan.Targets.Count; target++)
            {
                states[plan.Targets[target]] = Combine(row.Coefficients[target]);
            }

            yield return states[SamplerPlan.X];
        }
    }

    T[] Combine(double[] coefficients)
    {
        var sum = new T[states[0].Length];
        for (int state = 0; state < coefficients.Length; state++)
        {
            T c = T.CreateChecked(coefficients[state]);
            for (int i = 0; c != T.Zero && i < sum.Length; i++)
            {
                sum[i] += c * states[state][i];
            }
        }

        return sum;
    }
}
