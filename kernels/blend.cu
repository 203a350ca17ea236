// y = mask a + (1 - mask) b: y, a, b [pixels, channels] of f32, mask [pixels] of f32; y may be a or b
//
// A thread gives one value. Cost: three accesses of f32 for each; bytes bound it (a latent: the launch).
#include "lib/types.cuh"

struct BlendArgs {
    f32* y;
    const f32* mask;
    const f32* a;
    const f32* b;
    u32 count;
    u32 channels;
};

extern "C" __global__ void __launch_bounds__(256) blend(const BlendArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    const f32 mask = a.mask[i / a.channels];
    a.y[i] = mask * a.a[i] + (1.0f - mask) * a.b[i];
}
