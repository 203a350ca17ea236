// What the kernels of y = act(x w^T + bias) + residual share: their arguments, and how a finished element ends.
#pragma once
#include "lib/activation.cuh"

// The type of y and residual: f32 where the launcher asks for it, else that of storage.
#if OUTPUT_F32
typedef f32 TY;
#else
typedef T TY;
#endif

// bias, residual and preActivation (room for x w^T + bias, as wide as w is high) may be null. partial: see gemm.cu.
struct GemmArgs {
    TY* y;
    const T* x;
    const T* w;
    const f32* bias;
    const TY* residual;
    T* preActivation;
    f32* partial;
    i32 rows;
    i32 columns;
    i32 depth;
    i32 splits;
};

constexpr bool Geglu = ACTIVATION == ActivationGeglu;

DEVICE f32 bias_at(const GemmArgs& a, i32 column, i32 end) { return a.bias != nullptr && column < end ? a.bias[column] : 0.0f; }

// act(sum + bias) of the element at a row and column; gate is the sum of its gate with GEGLU.
DEVICE f32 activated(const GemmArgs& a, i64 row, i32 column, f32 sum, f32 gate) {
    const i64 width = Geglu ? 2 * a.columns : a.columns;
    sum += bias_at(a, column, a.columns);
    if (a.preActivation != nullptr && row < a.rows && column < a.columns) a.preActivation[row * width + column] = from_f32<T>(sum);
    if constexpr (Geglu) {
        gate += bias_at(a, a.columns + column, 2 * a.columns);
        if (a.preActivation != nullptr && row < a.rows && column < a.columns)
            a.preActivation[row * width + a.columns + column] = from_f32<T>(gate);
        return sum * gelu(gate);
    } else {
        return activate<ACTIVATION>(sum);
    }
}

// Finishes one element of y.
DEVICE void finish_element(const GemmArgs& a, i64 row, i32 column, f32 sum, f32 gate) {
    const f32 value = activated(a, row, column, sum, gate);
    const i64 at = row * a.columns + column;
    a.y[at] = from_f32<TY>(a.residual != nullptr ? value + to_f32(a.residual[at]) : value);
}
