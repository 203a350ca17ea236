namespace JeDi.Tests.Simulator;

/// <summary>
/// Runs a test's body with the warps and blocks of all launches in three orders: what is read back has to be equal, bit for bit. Asked for
/// by <c>JEDI_ORDERS=1</c>, on the simulator. Races, where they are watched for, in the first order: a race is one in every order.
/// </summary>
static class BlockOrders
{
    static readonly string[] orders = ["ascending", "descending", "seed:7"];

    static readonly string race = Environment.GetEnvironmentVariable("JEDISIM_RACE") is { Length: > 0 } wanted ? wanted : "0";

    static bool Wanted { get; } =
        Targets.Choice == "sim" && Environment.GetEnvironmentVariable("JEDI_ORDERS") is { Length: > 0 };

    /// <summary>What differed, or null; ends with the order in which the body failed. Not asked for: runs it once.</summary>
    /// <param name="body">The test's.</param>
    /// <param name="passed">Whether it has, where it does not throw.</param>
    public static string? Run(Action body, Func<bool>? passed = null)
    {
        if (!Wanted)
        {
            body();
            return null;
        }

        string? first = null;
        try
        {
            foreach (string order in orders)
            {
                SimulatorControl.Set("order", order);
                SimulatorControl.Set("race", first is null ? race : "0");
                SimulatorControl.Reset();
                body();
                if (passed?.Invoke() == false)
                {
                    return null;
                }

                string hash = SimulatorControl.Report().GetProperty("readHash").GetString()!;
                if ((first ??= hash) != hash)
                {
                    return $"what the device gives differs between the orders {orders[0]} and {order}";
                }
            }

            return null;
        }
        finally
        {
            SimulatorControl.Set("order", orders[0]);
            SimulatorControl.Set("race", race);
        }
    }
}
