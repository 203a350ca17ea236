namespace JeDi.Cpu;

/// <summary>
/// Work in independent blocks. A struct of pointers and sizes, so that running it allocates nothing; every block must give the same
/// result whichever thread runs it, and whenever.
/// </summary>
public interface IJob
{
    /// <summary>Does block <paramref name="index"/>.</summary>
    /// <param name="index">0 to the job's block count - 1.</param>
    /// <param name="worker">The thread that runs it, with its scratch memory.</param>
    void Run(int index, Worker worker);
}
