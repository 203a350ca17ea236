// The U-Net's input: y [B, pixels, channels or 2 channels + 1] of T from noisy, clean [B, pixels, channels] and mask [B] of f32
//
// y = noisy scale[0], mask, clean (1 - mask), in the order of `layout`. Nothing is read of the clean latent of an image that is generated
// whole (mask 1). A thread gives one value. Cost: 4096 x 9 values an image; the launch bounds it.
#include "lib/types.cuh"

// layout: 0 noisy alone; 1 mask, noisy, clean; 2 noisy, mask, clean. count: values of y.
struct PackInputArgs {
    T* y;
    const f32* noisy;
    const f32* clean;
    const f32* mask;
    const f32* scale;
    u32 count;
    u32 pixels;
    u32 channels;
    i32 layout;
};

extern "C" __global__ void __launch_bounds__(256) pack_input(const PackInputArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    const u32 columns = a.layout == 0 ? a.channels : 2 * a.channels + 1, pixel = i / columns, column = i - pixel * columns;
    const u32 noisyAt = a.layout == 1 ? 1 : 0, maskAt = a.layout == 1 ? 0 : a.channels;
    f32 value;
    if (column - noisyAt < a.channels) {
        value = a.noisy[(u64)pixel * a.channels + column - noisyAt] * a.scale[0];
    } else {
        value = a.mask[pixel / a.pixels];
        if (column != maskAt) value = value == 1.0f ? 0.0f : a.clean[(u64)pixel * a.channels + column - a.channels - 1] * (1.0f - value);
    }
    a.y[i] = from_f32<T>(value);
}
