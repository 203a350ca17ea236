// cp.async: copies from global to shared memory that bypass the registers. A copy is visible to its own thread after async_wait, to
// the block after the barrier that follows.
#pragma once
#include "lib/shared.cuh"

// 16 bytes, of which the first `bytes` (0 to 16) are read and the rest become 0; both addresses are multiples of 16. With bytes = 0
// nothing is read, but source should still be a valid address. Through the second-level cache only.
DEVICE void async_copy16(u32 target, const void* source, u32 bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(bytes) : "memory");
}

DEVICE void async_copy16(u32 target, const void* source) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(target), "l"(source) : "memory");
}

// The same where a thread has something to copy; without a branch.
DEVICE void async_copy16_if(bool copy, u32 target, const void* source, u32 bytes) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.u32 p, %3, 0;\n@p cp.async.cg.shared.global [%0], [%1], 16, %2;\n}" ::"r"(target), "l"(source),
                 "r"(bytes), "r"((u32)copy)
                 : "memory");
}

// 4 bytes, of which 0 or 4 are read: for rows that are not multiples of 16 bytes.
DEVICE void async_copy4(u32 target, const void* source, u32 bytes) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(target), "l"(source), "r"(bytes) : "memory");
}

// Closes the group of copies since the last commit; a group may be empty.
DEVICE void async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Pending of this thread's groups, the latest ones, are under way.
template <int Pending> DEVICE void async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory"); }
