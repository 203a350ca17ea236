namespace JeDi.Cli.Requests;

/// <summary>Values by name, made when they are asked for; the last so many stay, so that a long run takes no more memory.</summary>
public sealed class Recent<T>(int most)
{
    readonly Dictionary<string, T> values = [];
    readonly Queue<string> oldest = [];

    /// <summary>The value of this name, made if it is not there.</summary>
    public T Get(string name, Func<T> make)
    {
        if (!values.TryGetValue(name, out T? value))
        {
            value = make();
            values.Add(name, value);
            oldest.Enqueue(name);
            if (oldest.Count > most)
            {
                values.Remove(oldest.Dequeue());
            }
        }

        return value;
    }

    public void Clear()
    {
        values.Clear();
        oldest.Clear();
    }
}
