// The element-wise ends of products. The numbers are those of JeDi.Tensors.Activation and arrive as -DACTIVATION=.
#pragma once
#include "lib/math.cuh"

constexpr int ActivationNone = 0;
constexpr int ActivationSilu = 1;
constexpr int ActivationGelu = 2;
constexpr int ActivationQuickGelu = 3;
constexpr int ActivationGeglu = 4;

// All but GEGLU, which takes two columns.
template <int Kind> DEVICE f32 activate(f32 x) {
    if constexpr (Kind == ActivationSilu) {
        return silu(x);
    } else if constexpr (Kind == ActivationGelu) {
        return gelu(x);
    } else if constexpr (Kind == ActivationQuickGelu) {
        return quick_gelu(x);
    } else {
        return x;
    }
}
