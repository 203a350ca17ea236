// y = [a, b] along the last dimension: y [rows, left + right], a [rows, left] or one row, b [rows, right] or one row, all of T
//
// A thread moves VECTOR values, which divide left and right. Cost: a read and a write of each element; bytes bound it.
#include "lib/types.cuh"

// In vectors. A pitch is the width, or 0 where a single row repeats.
struct ConcatArgs {
    T* y;
    const T* a;
    const T* b;
    u32 rows;
    u32 left;
    u32 right;
    u32 leftPitch;
    u32 rightPitch;
};

#ifndef VECTOR
#define VECTOR 8
#endif

extern "C" __global__ void __launch_bounds__(256) concat(const ConcatArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x, width = a.left + a.right;
    if (i >= a.rows * width) return;
    typedef Vector<T, VECTOR> Values;
    const u32 row = i / width, column = i - row * width;
    const T* left = a.a + ((u64)row * a.leftPitch + column) * VECTOR;
    const T* from = column < a.left ? left : a.b + ((u64)row * a.rightPitch + column - a.left) * VECTOR;
    store_vector(a.y + (u64)i * VECTOR, load_vector<Values>(from));
}
