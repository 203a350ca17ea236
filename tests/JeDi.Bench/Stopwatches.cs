using System.Diagnostics;

namespace JeDi.Bench;

/// <summary>Timing of contenders in turn, so that a busy moment of the machine hits all of them.</summary>
static class Stopwatches
{
    const int MinRounds = 5;

    // A library's threads go on spinning after a call, for up to a tenth of a second: not into the next contender's time.
    const int PauseMilliseconds = 3;
    const int LongestPause = 300;

    // So long a contender is called again and again, as a step calls its kernels: the first calls after a pause meet cold caches and
    // sleeping threads.
    const double StretchSeconds = 0.04;

    /// <summary>
    /// Least milliseconds of a call of each contender, over as many rounds as fit into <paramref name="seconds"/> (five at least).
    /// </summary>
    public static double[] Least(double seconds, IReadOnlyList<Action> contenders)
    {
        var least = new double[contenders.Count];
        Array.Fill(least, double.MaxValue);
        foreach (Action contender in contenders)
        {
            WarmUp(contender);
        }

        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < MinRounds || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; round++)
        {
            for (int i = 0; i < contenders.Count; i++)
            {
                WaitForQuiet();
                long begin = Stopwatch.GetTimestamp();
                do
                {
                    long before = Stopwatch.GetTimestamp();
                    contenders[i]();
                    least[i] = Math.Min(least[i], Stopwatch.GetElapsedTime(before).TotalMilliseconds);
                }
                while (Stopwatch.GetElapsedTime(begin).TotalSeconds < StretchSeconds);
            }
        }

        return least;
    }

    /// <summary>
    /// The same in processor time of the process, for contenders of one thread on a machine that others use: what waits is not counted.
    /// </summary>
    public static double[] LeastProcessorTime(double seconds, IReadOnlyList<Action> contenders)
    {
        const double Batch = 0.01;
        var least = new double[contenders.Count];
        Array.Fill(least, double.MaxValue);
        foreach (Action contender in contenders)
        {
            WarmUp(contender);
        }

        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < MinRounds || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; round++)
        {
            for (int i = 0; i < contenders.Count; i++)
            {
                contenders[i]();
                int calls = 0;
                TimeSpan before = Environment.CpuUsage.TotalTime;
                TimeSpan taken = default;
                while (taken.TotalSeconds < Batch)
                {
                    contenders[i]();
                    calls++;
                    taken = Environment.CpuUsage.TotalTime - before;
                }

                least[i] = Math.Min(least[i], taken.TotalMilliseconds / calls);
            }
        }

        return least;
    }

    /// <summary>
    /// Until the runtime has seen its methods often enough and has compiled them anew, which takes a tenth of a second: where a call takes
    /// less than that.
    /// </summary>
    static void WarmUp(Action contender)
    {
        const int Calls = 64;
        const double Seconds = 0.25;
        const double MostSeconds = 1;
        long start = Stopwatch.GetTimestamp();
        for (int call = 0; Stopwatch.GetElapsedTime(start).TotalSeconds is double taken && taken < MostSeconds; call++)
        {
            if (call >= Calls && taken >= Seconds)
            {
                break;
            }

            contender();
        }
    }

    /// <summary>Until no thread of the process computes any more.</summary>
    static void WaitForQuiet()
    {
        for (int waited = 0; waited < LongestPause; waited += PauseMilliseconds)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            Thread.Sleep(PauseMilliseconds);
            if ((Environment.CpuUsage.TotalTime - before).TotalMilliseconds < PauseMilliseconds / 10.0)
            {
                return;
            }
        }
    }
}
