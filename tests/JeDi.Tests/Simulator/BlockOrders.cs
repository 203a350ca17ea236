namespace JeDi.Tests.Simulator;

/// <summary>
/// Runs a test's body with the warps and blocks of all launches in three orders: what is read back has to be equal, bit for bit. Asked for
/// by <c>JEDI_ORDERS=1</c>, on the simulator.
/// </summary>
static class BlockOrders
{
    static readonly string[] orders = ["ascending", "descending", "seed:7"];

    public static bool Wanted { get; } =
        Targets.Choice == "sim" && Environment.GetEnvironmentVariable("JEDI_ORDERS") is { Length: > 0 };

    /// <summary>What differed, or null.</summary>
    public static string? Compare(Action body)
    {
        string? first = null;
        try
        {
            foreach (string order in orders)
            {
                SimulatorControl.Set("order", order);
                SimulatorControl.Reset();
                body();
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
        }
    }
}
