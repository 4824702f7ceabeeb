#pragma once

#include <algorithm>

#include "parallel.h"
#include "weight.h"

namespace p2p {

// A product of matrices: y [products, rows, out] = x [products, rows, in] weight [products, in, out] + bias [out], which may be null.
struct Matrices {
  int64_t products, rows, in, out;
  const float* x;
  Weight weight;
  const float* bias;
  float* y;
};

// How many numbers of x are computed at a time if x is temporary, 16 MiB: more would be newly allocated from the system each time.
constexpr int64_t kAtOnce = int64_t{1} << 22;

// The blocks in which a product is computed; each packs the weight again.
struct Blocks {
  int64_t most, least;  // rows; a block of fewer does not pay off
  int64_t high, wide;   // the size of a block's tiles
  int64_t speed;        // multiplications per processor cycle
};

// Divides y into blocks among the threads. Calls multiply(x, weight, bias, y, rows, columns) for each, with pointers to its start.
template <typename Multiply>
void inBlocks(tensorflow::OpKernelContext* context, const Matrices& all, const Blocks& sizes, Multiply multiply) {
  const auto [most, least, high, wide, speed] = sizes;
  const int64_t threads = context->device()->tensorflow_cpu_worker_threads()->num_threads;
  const int64_t panels = parts(all.out, wide), fewest = parts(all.rows, most), even = parts(fewest, threads) * threads;
  // So that no thread waits for another's last block.
  const int64_t blocks = all.products == 1 && all.rows >= even * least ? even : fewest;
  const int64_t block = parts(parts(all.rows, blocks), high) * high;
  // If there are few blocks, several threads share one, and each packs it again.
  const int64_t shares = std::min(panels, parts(threads, all.products * blocks)), share = parts(panels, shares) * wide;
  const int64_t cost = block * all.in * share / speed;
  parallel(context, all.products * blocks * shares, cost, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t number = unit / (blocks * shares), first = unit / shares % blocks * block, column = unit % shares * share;
      if (first >= all.rows || column >= all.out) continue;
      const int64_t row = number * all.rows + first;
      multiply(all.x + row * all.in, all.weight + number * all.in * all.out + column, all.bias ? all.bias + column : nullptr,
               all.y + row * all.out + column, std::min(block, all.rows - first), std::min(share, all.out - column));
    }
  });
}

}  // namespace p2p
