namespace JeDi.Cli;

/// <summary>Finds checkpoints: by path, or by name in a <c>weights</c> folder.</summary>
public static class ModelFinder
{
    /// <summary>The small model that ships.</summary>
    public const string Default = "jedi-emoji";

    /// <summary>The path of a model.</summary>
    /// <param name="given">A path, a name in <c>weights/</c>, or null for <see cref="Default"/>.</param>
    /// <param name="how">How a path is given to the command.</param>
    /// <exception cref="JeDiException">Nothing there: says where it looked.</exception>
    public static string Find(string? given, string how = "with --model")
    {
        if (given is not null && Path.Exists(given))
        {
            return given;
        }

        if (given is not null && given != Path.GetFileName(given))
        {
            throw new JeDiException($"model {given}: no such folder or file");
        }

        string name = given ?? Default;
        return ShippedFiles.Find(name) ?? throw new JeDiException($"model '{name}' was not found; looked in {Places()}; "
            + $"give its path {how}, or the folder that holds it in {ShippedFiles.Variable}");
    }

    static string Places()
    {
        string[] folders = [Environment.CurrentDirectory, .. ShippedFiles.Folders().Distinct()];
        return string.Join(", ", folders) + (folders.Length == 1 ? " and the weights folders above it and above the program" : "");
    }
}
