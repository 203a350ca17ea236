using System.Numerics;

namespace JeDi.Files.Tokenizer;

/// <summary>
/// Numbers by text, for tables of many entries that are filled at each start and asked a few hundred times: the texts stay where they were
/// read, as stretches of one array, so that an entry allocates nothing.
/// </summary>
/// <param name="text">Holds all texts.</param>
/// <param name="expected">How many there will be, about; there may be more.</param>
sealed class SymbolTable(char[] text, int expected)
{
    Entry[] entries = new Entry[(int)BitOperations.RoundUpToPowerOf2((uint)expected + 1)];

    // Number of an entry and one; 0 where there is none. At most half of them are taken.
    int[] slots = new int[2 * (int)BitOperations.RoundUpToPowerOf2((uint)expected + 1)];

    /// <summary>Number of texts.</summary>
    public int Count { get; private set; }

    /// <summary>Adds the text at <paramref name="start"/>; false if it is there.</summary>
    public bool TryAdd(int start, int length, int value)
    {
        ReadOnlySpan<char> key = text.AsSpan(start, length);

        // Seeded by the process: no file can make all texts meet in one slot.
        int hash = string.GetHashCode(key);
        int slot = Slot(key, hash);
        if (slots[slot] != 0)
        {
            return false;
        }

        entries[Count++] = new Entry(start, length, hash, value);
        slots[slot] = Count;
        if (Count == entries.Length)
        {
            Grow();
        }

        return true;
    }

    /// <summary>The number of a text; false if it is not there.</summary>
    public bool TryGetValue(ReadOnlySpan<char> key, out int value)
    {
        int found = slots[Slot(key, string.GetHashCode(key))];
        value = found == 0 ? 0 : entries[found - 1].Value;
        return found != 0;
    }

    /// <summary>Where a text is, or the free slot that it would take.</summary>
    int Slot(ReadOnlySpan<char> key, int hash)
    {
        int slot = hash & (slots.Length - 1);
        while (slots[slot] != 0)
        {
            Entry entry = entries[slots[slot] - 1];
            if (entry.Hash == hash && key.SequenceEqual(text.AsSpan(entry.Start, entry.Length)))
            {
                break;
            }

            slot = (slot + 1) & (slots.Length - 1);
        }

        return slot;
    }

    void Grow()
    {
        Array.Resize(ref entries, 2 * entries.Length);
        slots = new int[2 * slots.Length];
        for (int i = 0; i < Count; i++)
        {
            int slot = entries[i].Hash & (slots.Length - 1);
            while (slots[slot] != 0)
            {
                slot = (slot + 1) & (slots.Length - 1);
            }

            slots[slot] = i + 1;
        }
    }

    readonly struct Entry(int start, int length, int hash, int value)
    {
        public readonly int Start = start;
        public readonly int Length = length;
        public readonly int Hash = hash;
        public readonly int Value = value;
    }
}
