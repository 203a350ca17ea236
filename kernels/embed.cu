// y[i] = table[ids[i]]: whole entries of a table's leading dimension, of any type; y [count, entry], table [entries, entry], ids [count]
//
// A thread moves UNIT bytes, which divide an entry. An id outside of the table gives NaN (all bits set): the host cannot be asked.
// Cost: a read and a write of y's bytes; bytes bound it.
#include "lib/types.cuh"

// entry: units of an entry.
struct EmbedArgs {
    void* y;
    const void* table;
    const i32* ids;
    u32 count;
    u32 entry;
    u32 entries;
};

#ifndef UNIT
#define UNIT 16
#endif

extern "C" __global__ void __launch_bounds__(256) embed(const EmbedArgs a) {
    typedef Vector<u16, UNIT / 2> Values;
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count * a.entry) return;
    const u32 row = i / a.entry, id = (u32)a.ids[row];
    Values v;
    if (id < a.entries) {
        v = load_vector<Values>(reinterpret_cast<const u16*>(a.table) + ((u64)id * a.entry + i - row * a.entry) * (UNIT / 2));
    } else {
#pragma unroll
        for (i32 e = 0; e < UNIT / 2; e++) v.x[e] = 0xffff;
    }
    store_vector(reinterpret_cast<u16*>(a.y) + (u64)i * (UNIT / 2), v);
}
