// y = guided (r std(conditional) / std(guided) + 1 - r), r = amount[0], for each image; all [B, count] of f32; y may be guided
//
// Standard deviations divide by count - 1; mean first, then the squared deviations. With r = 0 or a guided prediction without spread y is
// guided. A block is an image. Cost: two tensors read twice and one written, 0.3 MB an image; the launch bounds it.
#include "lib/reduce.cuh"
#include "lib/types.cuh"

struct RescaleArgs {
    f32* y;
    const f32* guided;
    const f32* conditional;
    const f32* amount;
    i32 count;
};

constexpr i32 Threads = 512;

DEVICE f32 deviation(const f32* x, i32 count, f32* scratch) {
    f32 sum = 0.0f, squares = 0.0f;
    for (i32 i = threadIdx.x; i < count; i += Threads) sum += x[i];
    const f32 mean = block_sum<Threads>(sum, scratch) / (f32)count;
    for (i32 i = threadIdx.x; i < count; i += Threads) squares += (x[i] - mean) * (x[i] - mean);
    return sqrtf(block_sum<Threads>(squares, scratch) / (f32)(count - 1));
}

extern "C" __global__ void __launch_bounds__(Threads) rescale(const RescaleArgs a) {
    __shared__ f32 scratch[32];
    const u64 base = (u64)blockIdx.x * a.count;
    const f32 r = a.amount[0];
    f32 factor = 1.0f;
    if (r != 0.0f) {
        const f32 own = deviation(a.guided + base, a.count, scratch);
        if (own != 0.0f) factor = r * deviation(a.conditional + base, a.count, scratch) / own + 1.0f - r;
    }
    for (i32 i = threadIdx.x; i < a.count; i += Threads) a.y[base + i] = a.guided[base + i] * factor;
}
