namespace JeDi.Tests;

/// <summary>Names of models stand for those in tests/trial first: the small model that the reference numbers are of.</summary>
[SetUpFixture]
public sealed class TrialWeights
{
    string? before;

    [OneTimeSetUp]
    public void Name()
    {
        before = Environment.GetEnvironmentVariable(ShippedFiles.Variable);
        Environment.SetEnvironmentVariable(ShippedFiles.Variable, Repository.Find("tests/trial"));
    }

    [OneTimeTearDown]
    public void Forget() => Environment.SetEnvironmentVariable(ShippedFiles.Variable, before);
}
