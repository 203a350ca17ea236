namespace JeDi.Sampling;

/// <summary>What a run leaves out, for those who want pictures sooner. Nothing by default.</summary>
/// <param name="ReuseInterval">
/// Deep features are computed at every so many evaluations and reused between them (DeepCache, arXiv 2312.00858); 1: always computed.
/// </param>
/// <param name="GuidanceFrom">Share of the steps from which guidance is computed ...</param>
/// <param name="GuidanceTo">... and up to which: before and after, the full condition alone (arXiv 2404.07724).</param>
public sealed record StepSchedule(int ReuseInterval = 1, double GuidanceFrom = 0, double GuidanceTo = 1)
{
    /// <summary>For each evaluation of a plan whether guidance is left out, and whether deep features are reused.</summary>
    /// <param name="unguided">The request needs no guidance at all.</param>
    public IReadOnlyList<(bool Unguided, bool ReusesDeep)> Of(SamplerPlan plan, bool unguided)
    {
        var steps = new (bool Unguided, bool ReusesDeep)[plan.Rows.Count];
        int sinceComputed = 0;
        for (int i = 0; i < steps.Length; i++)
        {
            double share = plan.ShareBefore(i);
            bool alone = unguided || share < GuidanceFrom || share >= GuidanceTo;

            // What is kept belongs to the conditions of its step.
            bool computes = i == 0 || alone != steps[i - 1].Unguided || sinceComputed >= ReuseInterval;
            sinceComputed = computes ? 1 : sinceComputed + 1;
            steps[i] = (alone, !computes);
        }

        return steps;
    }
}
