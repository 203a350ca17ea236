// Element types, their conversions and 16-byte vectors. NVRTC has no SDK headers here, so everything is our own.
// A kernel's storage type arrives as -DT=f32, -DT=f16 or -DT=bf16; templates of this library therefore call theirs E.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef float f32;

#define DEVICE static __device__ __forceinline__
#define DEVICE_METHOD __device__ __forceinline__

struct f16 {
    u16 bits;
};

struct bf16 {
    u16 bits;
};

template <class A, class B> struct same_type {
    static constexpr bool value = false;
};

template <class A> struct same_type<A, A> {
    static constexpr bool value = true;
};

DEVICE f32 to_f32(f32 x) { return x; }

DEVICE f32 to_f32(f16 x) {
    f32 y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}

// A bf16 is the upper half of an f32.
DEVICE f32 to_f32(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

// The value of type E nearest to x, ties to even.
template <class E> DEVICE E from_f32(f32 x) {
    if constexpr (same_type<E, f32>::value) {
        return x;
    } else {
        E y;
        if constexpr (same_type<E, f16>::value) {
            asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        } else {
            asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        }
        return y;
    }
}

// Two values in one register, the first one in the lower half (as the operands of mma want them).
template <class E> DEVICE u32 pack2(f32 low, f32 high) {
    u32 y;
    if constexpr (same_type<E, f16>::value) {
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    } else {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    }
    return y;
}

template <class E> DEVICE void unpack2(u32 x, f32& low, f32& high) {
    E a;
    E b;
    a.bits = (u16)(x & 0xffff);
    b.bits = (u16)(x >> 16);
    low = to_f32(a);
    high = to_f32(b);
}

// Some neighbouring values: 16 bytes hold 4 f32 or 8 two-byte values. The address is a multiple of the size.
template <class E, int N> struct alignas(sizeof(E) * N) Vector {
    E x[N];

    static constexpr int Count = N;
};

// As many values of E as 16 bytes hold.
template <class E> using Vector16 = Vector<E, 16 / sizeof(E)>;

template <class V, class E> DEVICE V load_vector(const E* p) { return *reinterpret_cast<const V*>(p); }

template <class V, class E> DEVICE void store_vector(E* p, const V& v) { *reinterpret_cast<V*>(p) = v; }

template <class A> DEVICE A least(A a, A b) { return a < b ? a : b; }

template <class A> DEVICE A most(A a, A b) { return a > b ? a : b; }

DEVICE constexpr i32 pieces(i32 whole, i32 piece) { return (whole + piece - 1) / piece; }
