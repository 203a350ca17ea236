// What the kernels of y = act(x w^T + bias) + residual share: their arguments, and how a finished element ends.
#pragma once
#include "lib/activation.cuh"

// x and w are of the storage type T, y and residual of TY; bias and residual may be null. partial: see gemm.cu.
struct GemmArgs {
    TY* y;
    const T* x;
    const T* w;
    const f32* bias;
    const TY* residual;
    f32* partial;
    i32 rows;
    i32 columns;
    i32 depth;
    i32 splits;
};

constexpr bool Geglu = ACTIVATION == ActivationGeglu;

DEVICE f32 bias_at(const GemmArgs& a, i32 column, i32 end) { return a.bias != nullptr && column < end ? a.bias[column] : 0.0f; }

// The end of one element of y from its sum (GEGLU: and its gate's).
DEVICE void finish_element(const GemmArgs& a, i64 row, i32 column, f32 sum, f32 gate) {
    f32 value = sum + bias_at(a, column, a.columns);
    if constexpr (Geglu) {
        value *= gelu(gate + bias_at(a, a.columns + column, 2 * a.columns));
    } else {
        value = activate<ACTIVATION>(value);
    }
    const i64 at = row * a.columns + column;
    a.y[at] = from_f32<TY>(a.residual != nullptr ? value + to_f32(a.residual[at]) : value);
}
