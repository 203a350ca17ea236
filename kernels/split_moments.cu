// mean, log-variance [pixels, channels] of moments [pixels, 2 channels] = [mean, log-variance], all f32; the log-variance is held within
// least .. most
//
// A thread gives one value of each. Cost: four accesses of f32 for each; bytes bound it (a latent: the launch).
#include "lib/types.cuh"

struct SplitMomentsArgs {
    f32* mean;
    f32* log_variance;
    const f32* moments;
    u32 count;
    u32 channels;
    f32 least;
    f32 most;
};

extern "C" __global__ void __launch_bounds__(256) split_moments(const SplitMomentsArgs a) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    const u32 at = i / a.channels * a.channels + i;
    const f32 v = a.moments[at + a.channels];
    a.mean[i] = a.moments[at];
    a.log_variance[i] = v < a.least ? a.least : v > a.most ? a.most : v;
}
