#pragma once

#include <algorithm>
#include <memory>

#include "matrices.h"
#include "tiles.h"

namespace p2p {

// Matrix products with `Tiles`, if the processor has them. Blocks of x, and a weight's panels one at a time, are packed as in `Product`.
class SplitProduct {
 public:
#ifndef __AMX_BF16__
  static bool Pays(int64_t) { return false; }
  static void Compute(tensorflow::OpKernelContext*, const Matrices&) {}
#else
  // Whether it is possible and, for this number of multiplications, faster than float32. Give the number for one picture, because its
  // numbers must be the same whichever others are computed with it.
  static bool Pays(int64_t multiplications) { return Tiles::Pay(multiplications); }

  static void Compute(tensorflow::OpKernelContext* context, const Matrices& all) {
    const SplitProduct product(all.in, all.out);
    inBlocks(context, all, {kBlock, kLeastRows, kHigh, kWide, 64}, [&](const float* x, Weight weight, const float* bias, float* y, int64_t rows, int64_t columns) {
      const Tiles::Registers registers;
      product.Block(x, weight, bias, y, rows, columns);
    });
  }

 private:
  static constexpr int64_t kHigh = Tiles::kHigh, kWide = Tiles::kWide, kStep = Tiles::kStep;
  static constexpr int64_t kDepth = 384;  // numbers summed before y is written
  static constexpr int64_t kLeastRows = 320;  // 256 was slower, because the weight's numbers were split once more
  static constexpr int64_t kBlock = 512;  // rows of x packed at a time: 768 KiB of a 2 MiB L2 cache

  SplitProduct(int64_t in, int64_t out) : in_(in), out_(out) {}

  void Block(const float* x, Weight weight, const float* bias, float* y, int64_t rows, int64_t columns) const {
    const int64_t most = parts(parts(in_, parts(in_, kDepth)), kStep) * kStep;
    for (int64_t first = 0; first < in_; first += most) {
      const int64_t depth = std::min(most, in_ - first), steps = parts(depth, kStep);
      Tiles::PackLeft(x + first, in_, rows, depth, rows_.get());
      for (int64_t at = 0; at < columns; at += kWide) {
        const int64_t width = std::min(kWide, columns - at);
        const Weight from = weight + (first * out_ + at);
        const float* before = first > 0 ? nullptr : bias ? bias + at : zeros_;
        from.Visit([&](const auto* numbers) { Tiles::PackRight(numbers, out_, depth, width, panel_.get()); });
        for (int64_t row = 0; row < rows; row += kHigh) {
          if (at + kWide < columns) Fetch(from + kWide, depth * row / rows, depth * std::min(row + kHigh, rows) / rows);
          const float* next = row + 2 * kHigh <= rows ? y + (row + kHigh) * out_ + at : y + std::min(at + kWide, columns - 1);
          Four(rows_.get() + row / 16 * steps, steps, y + row * out_ + at, std::min(kHigh, rows - row), width, before, next);
        }
      }
    }
  }

  // Prefetches some rows of the next panel during the multiplications.
  void Fetch(Weight panel, int64_t begin, int64_t end) const {
    for (int64_t k = begin; k < end; ++k) {
      __builtin_prefetch((panel + k * out_).data());
      __builtin_prefetch((panel + (k * out_ + 16)).data());
    }
  }

  // Adds to up to kHigh x kWide numbers of y, or to `before` instead of y's own values. `next` is written after them.
  void Four(const Tiles::Split* rows, int64_t steps, float* y, int64_t height, int64_t width, const float* before, const float* next) const {
    if (width == kWide && height % 16 == 0) return Tiles::Multiply(rows, panel_.get(), steps, y, out_, height, before, next);
    alignas(64) float whole[kHigh * kWide] = {}, padded[kWide] = {};
    if (before) std::copy_n(before, width, padded);
    for (int64_t row = 0; row < height && !before; ++row) std::copy_n(y + row * out_, width, whole + row * kWide);
    Tiles::Multiply(rows, panel_.get(), steps, whole, kWide, height, before ? padded : nullptr);
    for (int64_t row = 0; row < height; ++row) std::copy_n(whole + row * kWide, width, y + row * out_);
  }

  static constexpr float zeros_[kWide] = {};
  const int64_t in_, out_;
  // Kept per thread: allocating them each time would take new memory from the system.
  static thread_local const std::unique_ptr<Tiles::Split[]> rows_, panel_;
#endif
};

#ifdef __AMX_BF16__
inline thread_local const std::unique_ptr<Tiles::Split[]> SplitProduct::rows_{new Tiles::Split[kBlock / 16 * kDepth / kStep]};
inline thread_local const std::unique_ptr<Tiles::Split[]> SplitProduct::panel_{new Tiles::Split[2 * kDepth / kStep]};
#endif

}  // namespace p2p
