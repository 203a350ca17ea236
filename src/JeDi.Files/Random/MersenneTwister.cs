namespace JeDi.Files.Random;

/// <summary>mt19937 of Matsumoto and Nishimura: the 32-bit generator behind PyTorch's CPU streams.</summary>
sealed class MersenneTwister
{
    const int Size = 624;
    const int Shift = 397;

    readonly uint[] state = new uint[Size];
    int index = Size;

    public MersenneTwister(uint seed)
    {
        state[0] = seed;
        for (uint i = 1; i < Size; i++)
        {
            state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
        }
    }

    public uint Next()
    {
        if (index == Size)
        {
            Renew();
        }

        uint y = state[index++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C5680;
        y ^= (y << 15) & 0xEFC60000;
        return y ^ (y >> 18);
    }

    void Renew()
    {
        for (int i = 0; i < Size; i++)
        {
            uint y = (state[i] & 0x80000000) | (state[(i + 1) % Size] & 0x7FFFFFFF);
            state[i] = state[(i + Shift) % Size] ^ (y >> 1) ^ ((y & 1) * 0x9908B0DF);
        }

        index = 0;
    }
}
