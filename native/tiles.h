#pragma once

#ifdef __AMX_BF16__

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "parallel.h"

namespace p2p {

// Matrices in bfloat16 tiles, and their products, for processors with AMX.
//
// A number is represented as the sum of two bfloat16 numbers, high + low, which keep 16 of its 24 bits. All of their products except low
// times low are summed, in float32 (Henry et al. 2019). What is left out is 4e-6 of a result's standard deviation (root mean square);
// float32's own rounding is some 3e-7.
class Tiles {
 public:
  // 16 rows of 32 numbers: of a left matrix as they are, of a right one with the numbers of two rows interleaved.
  struct alignas(64) Tile {
    uint16_t rows[16][32];
  };
  struct Split {
    Tile high, low;
  };

  static constexpr int64_t kStep = 32;  // columns of a left matrix in a tile
  static constexpr int64_t kHigh = 32, kWide = 32;  // the size of a result: four float32 tiles

  // Whether to use tiles for this number of multiplications: if they are faster and Linux grants the process the registers. The environment
  // variable P2P_TILES=0 forces float32 throughout; P2P_TILES=all always uses tiles, to show how exact they are.
  static bool Pay(int64_t multiplications) {
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const char* const wanted = std::getenv("P2P_TILES");
    static const bool allowed = !(wanted && std::strcmp(wanted, "0") == 0) && syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    static const int64_t least = wanted && std::strcmp(wanted, "all") == 0 ? 0 : int64_t{1} << 25;
    return allowed && multiplications >= least;
  }

  // A thread's tile registers while it multiplies: all eight at full size.
  struct Registers {
    Registers() {
      struct alignas(64) {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {};
        uint8_t rows[16] = {};
      } sizes;
      std::fill_n(sizes.bytes, 8, kApart);
      std::fill_n(sizes.rows, 8, 16);
      _tile_loadconfig(&sizes);
    }
    ~Registers() { _tile_release(); }
    Registers(const Registers&) = delete;
  };

  // Packs [rows, depth], whose rows lie `apart` numbers apart, as a left matrix: the tiles of each 16 rows one after another. Missing rows
  // are left undefined.
  static void PackLeft(const float* from, int64_t apart, int64_t rows, int64_t depth, Split* to) {
    for (int64_t first = 0; first < rows; first += 16) {
      for (int64_t k = 0; k < depth; k += kStep, ++to) {
        for (int64_t row = 0; row < std::min<int64_t>(16, rows - first); ++row) {
          const Halves split = SplitRow(from + (first + row) * apart + k, depth - k);
          _mm512_store_si512(to->high.rows[row], split.high);
          _mm512_store_si512(to->low.rows[row], split.low);
        }
      }
    }
  }

  // Packs [depth, width], of at most kWide columns, as a right matrix, padded with zeros: two tiles for each kStep rows.
  template <typename Number>
  static void PackRight(const Number* from, int64_t apart, int64_t depth, int64_t width, Split* to) {
    const __mmask16 columns[2] = {First(width), First(width - 16)};
    for (int64_t k = 0; k < parts(depth, kStep) * kStep; k += 2, from += 2 * apart) {
      Split* pair = to + k / kStep * 2;
      const int64_t row = k % kStep / 2;
      for (int64_t half = 0; half < 2; ++half, ++pair) {
        const __m512 a = Load(k < depth ? columns[half] : 0, from + half * 16);
        const __m512 b = Load(k + 1 < depth ? columns[half] : 0, from + apart + half * 16);
        const __m512i high = InTurns(Rounded(a, b));
        const __m512 highA = _mm512_castsi512_ps(_mm512_slli_epi32(high, 16));
        const __m512 highB = _mm512_castsi512_ps(_mm512_and_si512(high, _mm512_set1_epi32(0xffff0000)));
        _mm512_store_si512(pair->high.rows[row], high);
        _mm512_store_si512(pair->low.rows[row], InTurns(Rounded(a - highA, b - highB)));
      }
    }
  }

  // The same for a matrix stored as its transpose, [width, depth].
  static void PackRightTransposed(const float* from, int64_t apart, int64_t depth, int64_t width, Split* to) {
    for (int64_t k = 0; k < depth; k += kStep) {
      for (int64_t column = 0; column < kWide; ++column) {
        Split& tile = to[k / kStep * 2 + column / 16];
        const Halves split = column < width ? SplitRow(from + column * apart + k, depth - k) : Halves{};
        alignas(64) uint16_t high[16][2], low[16][2];
        _mm512_store_si512(high, split.high);
        _mm512_store_si512(low, split.low);
        for (int64_t row = 0; row < 16; ++row) {
          std::memcpy(tile.high.rows[row] + column % 16 * 2, high[row], sizeof(high[row]));
          std::memcpy(tile.low.rows[row] + column % 16 * 2, low[row], sizeof(low[row]));
        }
      }
    }
  }

  // y [height, kWide], rows `apart` apart, plus left [height, steps x kStep] right [steps x kStep, kWide]; height is 16 or 32. If `before`
  // is not null, that row is used instead of y's own values. `next` is written after y, if known.
  static void Multiply(const Split* left, const Split* right, int64_t steps, float* y, int64_t apart, int64_t height, const float* before, const float* next = nullptr) {
    (height > 16 ? MultiplyRows<true> : MultiplyRows<false>)(left, right, steps, y, apart, before, next);
  }

 private:
  struct Halves {
    __m512i high, low;
  };

  static constexpr int64_t kApart = sizeof(Tile::rows[0]);

  static __m512 Load(__mmask16 those, const float* from) { return _mm512_maskz_loadu_ps(those, from); }
  static __m512 Load(__mmask16 those, const Eigen::half* from) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(those, from)); }
  static __m512 Load(__mmask16 those, const Eigen::bfloat16* from) { return Widened(_mm256_maskz_loadu_epi16(those, from)); }

  // Splits kStep numbers, padded with zeros.
  static Halves SplitRow(const float* from, int64_t count) {
    const __m512 a = _mm512_maskz_loadu_ps(First(count), from), b = _mm512_maskz_loadu_ps(First(count - 16), from + 16);
    const __m512i high = Rounded(a, b);
    return {high, Rounded(a - Widened(_mm512_castsi512_si256(high)), b - Widened(_mm512_extracti64x4_epi64(high, 1)))};
  }

  static __mmask16 First(int64_t count) { return (1u << std::clamp<int64_t>(count, 0, 16)) - 1; }
  static __m512i Rounded(__m512 a, __m512 b) { return (__m512i)_mm512_cvtne2ps_pbh(b, a); }
  static __m512 Widened(__m256i numbers) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16)); }
  static __m512i InTurns(__m512i halves) {
    static const __m512i order = [] {
      alignas(64) uint16_t numbers[32];
      for (int i = 0; i < 32; ++i) numbers[i] = i / 2 + i % 2 * 16;
      return _mm512_load_si512(numbers);
    }();
    return _mm512_permutexvar_epi16(order, halves);
  }

  // Registers 0 to 3 are y's, 4 and 5 the left matrix's, 6 and 7 the right one's. Without `both`, y has only two tiles, side by side.
  template <bool both>
  static void MultiplyRows(const Split* left, const Split* right, int64_t steps, float* y, int64_t apart, const float* before, const float* next) {
    const int64_t bytes = apart * sizeof(float), bytesBefore = before ? 0 : bytes;
    const float *from = before ? before : y, *fromBelow = before ? before : y + 16 * apart;
    _tile_loadd(0, from, bytesBefore);
    _tile_loadd(1, from + 16, bytesBefore);
    if (both) _tile_loadd(2, fromBelow, bytesBefore);
    if (both) _tile_loadd(3, fromBelow + 16, bytesBefore);
    const Split* below = left + steps;
    for (int64_t step = 0; step < steps; ++step, ++left, ++below, right += 2) {
      for (int64_t row = kHigh * step / steps; next && row < kHigh * (step + 1) / steps; ++row) {
        __builtin_prefetch(next + row * apart, 1);
        __builtin_prefetch(next + row * apart + 16, 1);
      }
      const auto multiply = [](const Tile& tile, const Tile& tileBelow) __attribute__((always_inline)) {
        _tile_loadd(4, &tile, kApart);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (both) _tile_loadd(5, &tileBelow, kApart);
        if (both) _tile_dpbf16ps(2, 5, 6);
        if (both) _tile_dpbf16ps(3, 5, 7);
      };
      _tile_loadd(6, &right[0].high, kApart);
      _tile_loadd(7, &right[1].high, kApart);
      multiply(left->high, below->high);
      multiply(left->low, below->low);
      _tile_loadd(6, &right[0].low, kApart);
      _tile_loadd(7, &right[1].low, kApart);
      multiply(left->high, below->high);
    }
    _tile_stored(0, y, bytes);
    _tile_stored(1, y + 16, bytes);
    if (both) _tile_stored(2, y + 16 * apart, bytes);
    if (both) _tile_stored(3, y + 16 * apart + 16, bytes);
  }
};

}  // namespace p2p

#endif
