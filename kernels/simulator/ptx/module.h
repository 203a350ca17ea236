// PTX text -> a module that can be launched.
#pragma once
#include "executor.h"

namespace jedisim {

// allocate: gives device memory for the module's variables. Throws LoadError.
std::unique_ptr<Module> load(const std::string& text, const Executor& executor, const std::function<u64(u64 bytes)>& allocate);

} // namespace jedisim
