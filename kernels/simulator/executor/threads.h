// Work that several threads share. The threads are kept: a small launch is shorter than the start of one.
#pragma once
#include "../ptx/common.h"
#include <functional>

namespace jedisim {

// Runs `work` on this thread and on up to count - 1 others at the same time, and waits for all that began. It must not throw.
void together(u64 count, const std::function<void()>& work);

} // namespace jedisim
