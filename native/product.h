#pragma once

#include <algorithm>
#include <memory>

#include "matrices.h"
#include "unsupported/Eigen/CXX11/Tensor"

namespace p2p {

// Products of matrices.
//
// Tiles of y, kRows x kWide, stay in registers while numbers of x and rows of the weight stream past (Goto and van de Geijn 2008). Both are
// packed first: a block of x into tiles of rows, which stay in the L2 cache, and the weight one panel at a time.
class Product {
 public:
  static void Compute(tensorflow::OpKernelContext* context, const Matrices& all) {
    const Product product(all.in, all.out);
    inBlocks(context, all, {kBlock, 8 * kRows, kRows, kWide, 2 * kSize}, [&](const float* x, Weight weight, const float* bias, float* y, int64_t rows, int64_t columns) {
      product.Block(x, weight, bias, y, rows, columns);
    });
  }

 private:
  using Packet = Eigen::internal::packet_traits<float>::type;
  static constexpr int64_t kSize = Eigen::internal::unpacket_traits<Packet>::size;
  static constexpr int64_t kWide = 2 * kSize;
  // Limited by the number of registers, and by the size of a packet for `PackRows`.
  static constexpr int64_t kRows = std::min<int64_t>(kSize, EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 14 : 6);
  static constexpr int64_t kDepth = 384;  // numbers summed before y is written
  static constexpr int64_t kBlock = 48 * kRows;  // rows of x packed at a time: 1 MiB with AVX-512, less than half of that without

  struct alignas(64) Panel {
    float numbers[kDepth * kWide];
  };

  Product(int64_t in, int64_t out) : in_(in), out_(out) {}

  void Block(const float* x, Weight weight, const float* bias, float* y, int64_t rows, int64_t columns) const {
    const int64_t tiles = parts(rows, kRows);
    for (int64_t first = 0; first < in_; first += kDepth) {
      const int64_t depth = std::min(kDepth, in_ - first);
      PackRows(x + first, rows, depth);
      for (int64_t at = 0; at < columns; at += kWide) {
        const int64_t width = std::min(kWide, columns - at);
        const Weight from = weight + (first * out_ + at);
        const float* before = first > 0 ? nullptr : bias ? bias + at : zeros_;
        from.Visit([&](const auto* numbers) { PackPanel(numbers, depth, width); });
        for (int64_t tile = 0; tile < tiles; ++tile) {
          if (at + kWide < columns) Fetch(from + kWide, depth * tile / tiles, depth * (tile + 1) / tiles);
          if (tile + 1 < tiles) Expect(y + (tile + 1) * kRows * out_ + at);
          Tile(rows_.get() + tile * kRows * depth, depth, y + tile * kRows * out_ + at, std::min(kRows, rows - tile * kRows), width, before);
        }
      }
    }
  }

  // Packs tiles of kRows rows one after another, each column by column; missing rows of the last tile are left undefined.
  void PackRows(const float* x, int64_t rows, int64_t depth) const {
    float* to = rows_.get();
    for (int64_t first = 0; first < rows; first += kRows, to += kRows * depth) {
      const int64_t count = std::min(kRows, rows - first);
      const float* from = x + first * in_;
      int64_t k = 0;
      for (; k + kSize <= depth; k += kSize) {
        Eigen::internal::PacketBlock<Packet, kSize> block;
        for (int64_t row = 0; row < kSize; ++row) block.packet[row] = Eigen::internal::ploadu<Packet>(from + std::min(row, count - 1) * in_ + k);
        Eigen::internal::ptranspose(block);
        for (int64_t i = 0; i < kSize; ++i) Eigen::internal::pstoreu(to + (k + i) * kRows, block.packet[i]);  // The next overwrites the excess.
      }
      for (; k < depth; ++k) {
        for (int64_t row = 0; row < count; ++row) to[k * kRows + row] = from[row * in_ + k];
      }
    }
  }

  // Packs kWide columns of the weight, padded with zeros.
  template <typename Number>
  void PackPanel(const Number* from, int64_t depth, int64_t width) const {
    float* to = panel_->numbers;
    for (int64_t k = 0; k < depth; ++k, from += out_, to += kWide) {
      if (width == kWide) widen<kWide>(from, to);
      else std::fill(std::transform(from, from + width, to, [](Number number) { return static_cast<float>(number); }), to + kWide, 0.0f);
    }
  }

  // Prefetches some rows of the next panel during the multiplications.
  void Fetch(Weight panel, int64_t begin, int64_t end) const {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t i = 0; i < kWide; i += 16) __builtin_prefetch((panel + (k * out_ + i)).data());
    }
  }

  // Prefetches the next tile of y.
  void Expect(const float* y) const {
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t i = 0; i < kWide; i += 16) __builtin_prefetch(y + row * out_ + i, 1);
    }
  }

  // Adds to a tile of y, or to `before` instead of y's own values.
  void Tile(const float* rows, int64_t depth, float* y, int64_t height, int64_t width, const float* before) const {
    if (height == kRows && width == kWide) return Multiply(rows, depth, y, out_, before);
    float whole[kRows * kWide] = {}, padded[kWide] = {};
    if (before) std::copy_n(before, width, padded);
    for (int64_t row = 0; row < height && !before; ++row) std::copy_n(y + row * out_, width, whole + row * kWide);
    Multiply(rows, depth, whole, kWide, before ? padded : nullptr);
    for (int64_t row = 0; row < height; ++row) std::copy_n(whole + row * kWide, width, y + row * out_);
  }

  // A separate function, because amid other code the sums would not all stay in registers.
  __attribute__((noinline)) static void Multiply(const float* rows, int64_t depth, float* y, int64_t step, const float* before) {
    using Eigen::internal::ploadu, Eigen::internal::pmadd, Eigen::internal::pset1, Eigen::internal::pstoreu;
    Packet sums[kRows][2];
#pragma GCC unroll 14
    for (int64_t row = 0; row < kRows; ++row) {
      const float* from = before ? before : y + row * step;
      sums[row][0] = ploadu<Packet>(from);
      sums[row][1] = ploadu<Packet>(from + kSize);
    }
    const float* panel = panel_->numbers;
    for (int64_t k = 0; k < depth; ++k, rows += kRows, panel += kWide) {
      const Packet left = ploadu<Packet>(panel), right = ploadu<Packet>(panel + kSize);
#pragma GCC unroll 14
      for (int64_t row = 0; row < kRows; ++row) {
        const Packet number = pset1<Packet>(rows[row]);
        sums[row][0] = pmadd(number, left, sums[row][0]);
        sums[row][1] = pmadd(number, right, sums[row][1]);
      }
    }
#pragma GCC unroll 14
    for (int64_t row = 0; row < kRows; ++row) {
      pstoreu(y + row * step, sums[row][0]);
      pstoreu(y + row * step + kSize, sums[row][1]);
    }
  }

  static constexpr float zeros_[kWide] = {};
  const int64_t in_, out_;
  // Kept per thread: allocating them each time would take new memory from the system.
  static thread_local const std::unique_ptr<float[]> rows_;
  static thread_local const std::unique_ptr<Panel> panel_;
};

inline thread_local const std::unique_ptr<float[]> Product::rows_{new float[kBlock * kDepth + kSize]};
inline thread_local const std::unique_ptr<Product::Panel> Product::panel_{new Product::Panel};

}  // namespace p2p
