// Matrix products for cuBLASLt: not a GPU's kernels, only their numbers, in f32 and in an order that depends on k alone.
#include "lanes.h"
#include "threads.h"
#include <atomic>

namespace jedisim {

namespace {
constexpr int tile = 48, lanes = 16;

float element(const void* base, Element type, s64 at) {
    switch (type) {
    case Element::F16: return to_float(static_cast<const Half*>(base)[at]);
    case Element::BF16: return to_float(static_cast<const Bfloat*>(base)[at]);
    default: return static_cast<const float*>(base)[at];
    }
}

void put_element(void* base, Element type, s64 at, float value) {
    switch (type) {
    case Element::F16: static_cast<Half*>(base)[at] = to_half(value); break;
    case Element::BF16: static_cast<Bfloat*>(base)[at] = to_bfloat(value); break;
    default: static_cast<float*>(base)[at] = value; break;
    }
}

const void* host(u64 address) { return reinterpret_cast<const void*>(address & ~device_bit); }

u32 bytes_of(Element type) { return type == Element::F32 ? 4 : 2; }

// Rows `first` to `first + count` of an operand as [row][k], padded with zeros to whole vectors.
void gather(const Matrix& matrix, s64 batch, bool k_first, s64 first, s64 count, s64 k, s64 pitch, float* target) {
    const char* base = static_cast<const char*>(host(matrix.address)) + batch * matrix.stride * bytes_of(matrix.type);
    for (s64 row = 0; row < count; row++) {
        for (s64 i = 0; i < k; i++)
            target[row * pitch + i] =
                element(base, matrix.type, k_first ? i + (first + row) * matrix.leading : first + row + i * matrix.leading);
        std::fill(target + row * pitch + k, target + (row + 1) * pitch, 0.f);
    }
}

// Four times four dot products.
void dots(const float* a, const float* b, s64 pitch, float (*sum)[4]) {
    alignas(64) float part[4][4][lanes] = {};
    for (s64 i = 0; i < pitch; i += lanes)
        for (int r = 0; r < 4; r++)
            for (int c = 0; c < 4; c++)
                for (int lane = 0; lane < lanes; lane++)
                    part[r][c][lane] = __builtin_fmaf(a[r * pitch + i + lane], b[c * pitch + i + lane], part[r][c][lane]);
    for (int r = 0; r < 4; r++) {
        for (int c = 0; c < 4; c++) {
            for (int half = lanes / 2; half; half /= 2)
                for (int lane = 0; lane < half; lane++) part[r][c][lane] += part[r][c][lane + half];
            sum[r][c] = part[r][c][0];
        }
    }
}

void finish(const Product& p, s64 batch, s64 row, s64 column, float value) {
    value *= p.alpha;
    auto at = [&](const Matrix& matrix) { return batch * matrix.stride + row + column * matrix.leading; };
    if (p.beta != 0) value += p.beta * element(host(p.c.address), p.c.type, at(p.c));
    if (p.bias) value += element(host(p.bias), p.bias_type, row);
    put_element(const_cast<void*>(host(p.d.address)), p.d.type, at(p.d), value);
}
} // namespace

void multiply(const Product& p) {
    s64 pitch = (p.k + lanes - 1) / lanes * lanes, columns = (p.n + tile - 1) / tile, rows = (p.m + tile - 1) / tile;
    std::atomic<s64> next{0};
    auto worker = [&] {
        std::vector<float> a(size_t(tile * pitch)), b(size_t(tile * pitch));
        for (s64 job; (job = next++) < p.batch * columns;) {
            s64 batch = job / columns, n0 = job % columns * tile, n = std::min<s64>(tile, p.n - n0);
            std::fill(b.begin(), b.end(), 0.f);
            gather(p.b, batch, !p.transpose_b, n0, n, p.k, pitch, b.data());
            for (s64 block = 0; block < rows; block++) {
                s64 m0 = block * tile, m = std::min<s64>(tile, p.m - m0);
                std::fill(a.begin(), a.end(), 0.f);
                gather(p.a, batch, p.transpose_a, m0, m, p.k, pitch, a.data());
                for (s64 r = 0; r < m; r += 4) {
                    for (s64 c = 0; c < n; c += 4) {
                        float sum[4][4];
                        dots(&a[size_t(r * pitch)], &b[size_t(c * pitch)], pitch, sum);
                        for (s64 i = r; i < std::min(r + 4, m); i++)
                            for (s64 j = c; j < std::min(c + 4, n); j++) finish(p, batch, m0 + i, n0 + j, sum[i - r][j - c]);
                    }
                }
            }
        }
    };
    together(u64(std::max(1, p.threads)), worker);
}

} // namespace jedisim
