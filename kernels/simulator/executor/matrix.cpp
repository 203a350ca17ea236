// Tensor cores: ldmatrix, movmatrix and mma.sync with f32 accumulation. Products are summed in one fixed order by fused multiply-adds; a tensor
// core sums in an order of its own, so the last bits differ from a GPU's.
#include "memory.h"
#include "mma.h"

namespace jedisim {

namespace {
void check_all(Warp& w, const Instruction& i, u32 mask) {
    if (mask != all_lanes) fault(w, i, "a warp-wide instruction without " + lanes_text(~mask));
}

// Eight rows of eight 16-bit values, transposed, as ldmatrix .trans hands them out.
JEDISIM_INLINE void transpose(const u16* rows, u32* target) {
    __m128i pairs[8], quads[8];
    auto row = [&](int r) { return _mm_load_si128(reinterpret_cast<const __m128i*>(rows) + r); };
    for (int r = 0; r < 8; r += 2) {
        pairs[r] = _mm_unpacklo_epi16(row(r), row(r + 1));
        pairs[r + 1] = _mm_unpackhi_epi16(row(r), row(r + 1));
    }
    for (int half = 0; half < 8; half += 4) {
        for (int side = 0; side < 2; side++) {
            quads[half + 2 * side] = _mm_unpacklo_epi32(pairs[half + side], pairs[half + side + 2]);
            quads[half + 2 * side + 1] = _mm_unpackhi_epi32(pairs[half + side], pairs[half + side + 2]);
        }
    }
    for (int r = 0; r < 4; r++) {
        __m128i* out = reinterpret_cast<__m128i*>(target) + 2 * r;
        _mm_storeu_si128(out, _mm_unpacklo_epi64(quads[r], quads[r + 4]));
        _mm_storeu_si128(out + 1, _mm_unpackhi_epi64(quads[r], quads[r + 4]));
    }
}

template<int Count, bool Transposed> void load_matrix(Warp& w, const Instruction& i, u32 mask) {
    check_all(w, i, mask);
    alignas(64) u64 address[32];
    alignas(64) u32 small[32];
    addresses(w, i, i.o[Count], address);
    if (i.space == Space::Generic && resolve_generic(w, i, address, mask) != Space::Shared) fault(w, i, "ldmatrix outside shared memory");
    // Only the first 8 lanes for each matrix give addresses.
    for (int lane = 0; lane < 32; lane++) small[lane] = u32(address[lane & (8 * Count - 1)]);
    check_shared(w, i, small, Count == 4 ? all_lanes : (1u << 8 * Count) - 1, 16, false);
    for (int matrix = 0; matrix < Count; matrix++) {
        alignas(64) u16 rows[64];
        for (int row = 0; row < 8; row++) std::memcpy(rows + 8 * row, w.block->shared + small[8 * matrix + row], 16);
        u32* target = w.target<u32>(i.o[matrix]);
        if constexpr (Transposed) transpose(rows, target);
        else std::memcpy(target, rows, sizeof rows);
    }
}

void move_matrix(Warp& w, const Instruction& i, u32 mask) {
    check_all(w, i, mask);
    alignas(64) u16 rows[64];
    std::memcpy(rows, w.source(i.o[1]), sizeof rows);
    transpose(rows, w.target<u32>(i.o[0]));
}

// Operands in order: d0-d3, a..., b..., c0-c3. The PTX manual's fragments: lane = 4 row + column / width.
template<Fragment Type, int Registers> void multiply(Warp& w, const Instruction& i, u32 mask) {
    check_all(w, i, mask);
    const s32* list = &w.block->kernel->lists[size_t(i.second)];
    const void *a[4] = {}, *b[2] = {}, *c[4];
    void* d[4];
    for (int r = 0; r < 4; r++) d[r] = w.target(list[r]), c[r] = w.source(list[4 + 3 * Registers + r]);
    for (int r = 0; r < 2 * Registers; r++) a[r] = w.source(list[4 + r]);
    for (int r = 0; r < Registers; r++) b[r] = w.source(list[4 + 2 * Registers + r]);
    multiply_fragments<Type, Registers>(d, a, b, c);
}
} // namespace

Handler find_matrix(const Form& f, Instruction&) {
    if (f.base() == "ldmatrix") {
        bool transposed = f.has("trans");
        if (f.type() != "b16") return nullptr;
        if (f.has("x4")) return transposed ? load_matrix<4, true> : load_matrix<4, false>;
        if (f.has("x2")) return transposed ? load_matrix<2, true> : load_matrix<2, false>;
        return transposed ? load_matrix<1, true> : load_matrix<1, false>;
    }
    if (f.base() == "movmatrix") return move_matrix;
    if (f.base() != "mma" || f.sizes.size() != 4 || f.type() != "f32" || !f.has("row") || !f.has("col")) return nullptr;
    // mma.sync.aligned.shape.row.col.d.a.b.c
    const std::string& type = f.before();
    auto& parts = f.statement.parts;
    if (parts[parts.size() - 4] != "f32" || parts[parts.size() - 3] != type) return nullptr;
    if (f.has("m16n8k16") && type == "f16") return multiply<Fragment::Half, 2>;
    if (f.has("m16n8k16") && type == "bf16") return multiply<Fragment::Bfloat, 2>;
    if (f.has("m16n8k8") && type == "f16") return multiply<Fragment::Half, 1>;
    if (f.has("m16n8k8") && type == "bf16") return multiply<Fragment::Bfloat, 1>;
    if (f.has("m16n8k8") && type == "tf32") return multiply<Fragment::Tf32, 2>;
    return f.has("m16n8k4") && type == "tf32" ? multiply<Fragment::Tf32, 1> : nullptr;
}

} // namespace jedisim
