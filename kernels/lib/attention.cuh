// What the attention kernels share: their arguments, and which keys an image's queries see.
#pragma once
#include "lib/reduce.cuh"

// T is the storage type. Absent: bias, lse, and the bounds (every image attends to itself) are null.
struct AttentionArgs {
    T* y;
    const T* q;
    const T* k;
    const T* v;
    const f32* bias;
    f32* lse;
    const i32* queryBounds;
    const i32* keyBounds;
    i32 sets;
    i32 queryTokens;
    i32 keyTokens;
    i32 heads;
    i32 keysPerBias;
    i32 causal;
    f32 scale;
};

// The rows of k and v that the queries of an image see: those of all key images of its set.
DEVICE void key_rows(const AttentionArgs& a, i32 image, i64& first, i32& count) {
    i32 begin = image;
    i32 end = image + 1;
    if (a.queryBounds != nullptr) {
        i32 set = 0;
        for (i32 base = 1; base < a.sets; base += 32) {
            const i32 i = base + (i32)(threadIdx.x & 31);
            set += __popc(__ballot_sync(AllLanes, i < a.sets && a.queryBounds[i < a.sets ? i : 0] <= image));
        }
        begin = a.keyBounds[set];
        end = a.keyBounds[set + 1];
    }
    first = (i64)begin * a.keyTokens;
    count = (end - begin) * a.keyTokens;
}
