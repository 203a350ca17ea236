// y = x, converted from the type FROM (0 f32, 1 f16, 2 bf16) to T, rounded to nearest even; [count]. With equal types bits move unchanged.
// LIMITED: y = limit tanh(x / limit), tanh within two units in the last place; y may be x.
//
// A thread converts VECTOR values. Cost: a read and a write; bytes bound it.
#include "lib/types.cuh"

#ifndef FROM
#define FROM 0
#define VECTOR 8
#define LIMITED 0
#endif

template <i32 From> struct Source {
    typedef f32 Type;
};

template <> struct Source<1> {
    typedef f16 Type;
};

template <> struct Source<2> {
    typedef bf16 Type;
};

typedef Source<FROM>::Type S;

// In vectors.
struct CopyArgs {
    T* y;
    const void* x;
    u32 count;
    f32 limit;
};

template <class To, class From> DEVICE To converted(From x, f32 limit) {
    if constexpr (LIMITED != 0) {
        return from_f32<To>(limit * tanhf(to_f32(x) / limit));
    } else if constexpr (same_type<To, From>::value) {
        return x;
    } else {
        return from_f32<To>(to_f32(x));
    }
}

extern "C" __global__ void __launch_bounds__(256) copy(const CopyArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    const auto from = load_vector<Vector<S, VECTOR>>(reinterpret_cast<const S*>(a.x) + (u64)i * VECTOR);
    Vector<T, VECTOR> to;
#pragma unroll
    for (i32 e = 0; e < VECTOR; e++) to.x[e] = converted<T>(from.x[e], a.limit);
    store_vector(a.y + (u64)i * VECTOR, to);
}
