namespace JeDi.Cpu;

/// <summary>A filter in every form that its convolutions have needed so far: as stored, and transformed for Winograd tiles.</summary>
sealed class ConvolutionFilter(PackedMatrix direct)
{
    WinogradFilter? tile2;
    WinogradFilter? tile4;

    /// <summary>As a matrix [O, kernel * kernel * I].</summary>
    public PackedMatrix Direct { get; } = direct;

    /// <summary>Whether the form for tiles of so many outputs has been made.</summary>
    public bool Has(int outputs) => (outputs == Tile4.Outputs ? tile4 : tile2) is not null;

    /// <summary>The form for one kind of tile, made at the first call; its size is added to <paramref name="bytes"/>.</summary>
    public WinogradFilter For<V, T>(Threads threads, ref long bytes)
        where V : unmanaged, ISimd<V>
        where T : struct, IWinogradTile
    {
        ref WinogradFilter? form = ref T.Outputs == Tile4.Outputs ? ref tile4 : ref tile2;
        if (form is null)
        {
            form = WinogradFilter.Transform<V, T>(threads, Direct);
            Interlocked.Add(ref bytes, form.Bytes);
        }

        return form;
    }

    public void Free()
    {
        Direct.Free();
        tile2?.Free();
        tile4?.Free();
    }
}
