using System.Diagnostics.CodeAnalysis;

namespace JeDi.Training;

/// <summary>Values by name, up to so many bytes: the oldest goes first, one stays.</summary>
sealed class Recent<T>(long mostBytes)
{
    readonly Dictionary<string, (T Value, long Bytes)> values = [];
    readonly Queue<string> order = new();
    long bytes;

    public bool TryGet(string name, [MaybeNullWhen(false)] out T value)
    {
        bool found = values.TryGetValue(name, out (T Value, long Bytes) entry);
        value = entry.Value;
        return found;
    }

    public void Keep(string name, T value, long size)
    {
        values.Add(name, (value, size));
        order.Enqueue(name);
        bytes += size;
        while (bytes > mostBytes && order.Count > 1)
        {
            values.Remove(order.Dequeue(), out (T Value, long Bytes) oldest);
            bytes -= oldest.Bytes;
        }
    }
}
