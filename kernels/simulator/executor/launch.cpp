// A launch: its blocks on a few threads, each with registers and shared memory of its own.
#include "memory.h"
#include "threads.h"
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <numeric>

namespace jedisim {

namespace {
struct Free { void operator()(void* p) const { std::free(p); } };
using Bytes = std::unique_ptr<char, Free>;

Bytes aligned_bytes(size_t count) { return Bytes(static_cast<char*>(std::aligned_alloc(128, (count + 255) / 128 * 128))); }

// What a thread keeps from launch to launch: fresh memory costs more than a small kernel.
struct Kept {
    Bytes registers, shared;
    size_t register_bytes = 0, shared_bytes = 0;
    Block block;

    void fit(size_t registers_wanted, size_t shared_wanted) {
        if (registers_wanted > register_bytes) registers = aligned_bytes(register_bytes = registers_wanted);
        if (shared_wanted > shared_bytes) shared = aligned_bytes(shared_bytes = shared_wanted);
    }
};

// The order of blocks: a permutation that needs no table.
struct Blocks {
    u64 count, step = 1, first = 0;
    Blocks(u64 count, const Options& options) : count(count) {
        if (options.order == Order::Descending) step = count - 1, first = count - 1;
        if (options.order != Order::Seeded || count < 3) return;
        step = (options.seed * 2654435761u + 0x9e3779b9u) % count;
        while (std::gcd(step, count) != 1) step = (step + 1) % count;
        first = options.seed % count;
    }
    u64 at(u64 n) const { return u64((unsigned __int128)(n) * step % count + first) % count; }
};

class Work {
public:
    Work(const Launch& launch, LaunchResult& result)
        : launch(launch), result(result), kernel(*launch.kernel), count(u64(launch.grid[0]) * launch.grid[1] * launch.grid[2]),
          blocks(count, launch.options) {
        constants = aligned_bytes(kernel.constants.size());
        std::memcpy(constants.get(), kernel.constants.data(), kernel.constants.size());
        if (launch.options.count) result.sites.resize(kernel.code.size());
    }

    void run() {
        together(std::min<u64>(std::max(1, launch.options.threads), count), [this] { worker(); });
        if (error) std::rethrow_exception(error);
    }

private:
    const Launch& launch;
    LaunchResult& result;
    const Kernel& kernel;
    u64 count;
    Blocks blocks;
    Bytes constants;
    std::atomic<u64> next{0};
    std::atomic<bool> stop{false};
    std::mutex merge;
    std::exception_ptr error;

    void worker() {
        LaunchResult mine;
        try {
            run_blocks(mine);
        } catch (...) {
            std::lock_guard lock(merge);
            if (!stop.exchange(true)) error = std::current_exception();
        }
        std::lock_guard lock(merge);
        result.instructions += mine.instructions;
        result.race_count += mine.race_count;
        for (auto& race : mine.races)
            if (result.races.size() < 8) result.races.push_back(race);
        for (size_t s = 0; s < mine.sites.size(); s++) result.sites[s].add(mine.sites[s]);
    }

    void run_blocks(LaunchResult& mine) {
        u32 threads = launch.block[0] * launch.block[1] * launch.block[2], warps = (threads + 31) / 32;
        // A line more for each warp, so that their registers do not all fall into the same sets of the cache.
        size_t file = (kernel.register_bytes + 127) / 128 * 128 + 128, shared_bytes = kernel.shared_bytes + launch.dynamic_shared;
        thread_local Kept kept;
        kept.fit(file * warps, shared_bytes);
        char *registers = kept.registers.get(), *shared = kept.shared.get();
        if (launch.options.count) mine.sites.resize(kernel.code.size());
        Block& block = kept.block;
        block.launch = &launch, block.kernel = &kernel, block.result = &mine, block.last = {1, 0};
        block.shared = reinterpret_cast<u8*>(shared), block.shared_bytes = u32(shared_bytes);
        block.sites = launch.options.count ? mine.sites.data() : nullptr;
        block.warps.resize(warps);
        for (u32 w = 0; w < warps; w++) block.warps[w].base[0] = registers + file * w, block.warps[w].base[1] = constants.get();
        for (u64 n; !stop && (n = next++) < count;) {
            // All ones: a NaN of every width.
            std::memset(registers, 0xff, file * warps);
            std::memset(shared, 0xff, shared_bytes);
            block.run(blocks.at(n));
        }
    }
};

void launch(const Launch& l, LaunchResult& result) { Work(l, result).run(); }

bool find(const Form& form, Instruction& i) {
    constexpr Handler (*finders[])(const Form&, Instruction&) = {find_control, find_copy,       find_move,    find_integer, find_floating,
                                                                 find_half,    find_special,    find_convert, find_compare, find_memory,
                                                                 find_atomic,  find_collective, find_matrix,  find_bits};
    for (auto finder : finders)
        if ((i.run = finder(form, i))) return true;
    return false;
}
} // namespace

void multiply(const Product& product);

} // namespace jedisim

extern "C" __attribute__((visibility("default"))) const jedisim::Executor* jedisim_executor() {
#ifdef __AVX512F__
    static const jedisim::Executor executor{"avx512", jedisim::find, jedisim::launch, jedisim::multiply};
#else
    static const jedisim::Executor executor{"avx2", jedisim::find, jedisim::launch, jedisim::multiply};
#endif
    return &executor;
}
