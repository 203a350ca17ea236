namespace JeDi.Evaluation.Drawings;

/// <summary>Connected pixels of a map [H, W]; neighbours share a side.</summary>
static class Regions
{
    /// <summary>What can be reached from the rim without stepping on a wall.</summary>
    public static bool[] FromRim(bool[] wall, int width, int height)
    {
        var reached = new bool[wall.Length];
        IEnumerable<int> rim = Enumerable.Range(0, wall.Length)
            .Where(i => i % width == 0 || i % width == width - 1 || i / width == 0 || i / width == height - 1);
        foreach (int i in rim.Where(i => !wall[i]))
        {
            Fill(i, wall, reached, width, height);
        }

        return reached;
    }

    /// <summary>The connected parts of what is set.</summary>
    public static List<List<int>> Connected(bool[] set, int width, int height)
    {
        bool[] wall = [.. set.Select(s => !s)];
        var reached = new bool[set.Length];
        var parts = new List<List<int>>();
        for (int i = 0; i < set.Length; i++)
        {
            if (set[i] && !reached[i])
            {
                parts.Add(Fill(i, wall, reached, width, height));
            }
        }

        return parts;
    }

    static List<int> Fill(int start, bool[] wall, bool[] reached, int width, int height)
    {
        var part = new List<int>();
        var next = new Stack<int>();
        Step(start);
        while (next.TryPop(out int i))
        {
            part.Add(i);
            (int x, int y) = (i % width, i / width);
            if (x > 0)
            {
                Step(i - 1);
            }

            if (x < width - 1)
            {
                Step(i + 1);
            }

            if (y > 0)
            {
                Step(i - width);
            }

            if (y < height - 1)
            {
                Step(i + width);
            }
        }

        return part;

        void Step(int i)
        {
            if (!wall[i] && !reached[i])
            {
                reached[i] = true;
                next.Push(i);
            }
        }
    }
}
