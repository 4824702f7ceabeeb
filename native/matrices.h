#pragma once

#include <algorithm>

#include "parallel.h"

namespace p2p {

// A product of matrices: y [products, rows, out] = x [products, rows, in] weight [products, in, out] + bias [out], which may be null.
struct Matrices {
  int64_t products, rows, in, out;
  const float *x, *weight, *bias;
  float* y;
};

// Numbers of x that are made at once where it has to be made, 16 MiB: more would be new memory of the system's each time.
constexpr int64_t kAtOnce = int64_t{1} << 22;

// Shares y among threads in blocks of at most `most` rows, of tiles of `high` x `wide`. Calls multiply(x, weight, bias, y, rows, columns) for
// each, with pointers to where it begins; `speed` is multiplications in a processor cycle.
template <typename Multiply>
void inBlocks(tensorflow::OpKernelContext* context, const Matrices& all, int64_t most, int64_t high, int64_t wide, int64_t speed, Multiply multiply) {
  const int64_t threads = context->device()->tensorflow_cpu_worker_threads()->num_threads;
  const int64_t panels = parts(all.out, wide), fewest = parts(all.rows, most), even = parts(fewest, threads) * threads;
  // None is to wait for the last block of another, but each block packs the weight anew.
  const int64_t blocks = all.products == 1 && all.rows >= even * 8 * high ? even : fewest;
  const int64_t block = parts(parts(all.rows, blocks), high) * high;
  // Few blocks are shared by several threads, each of which packs them for itself.
  const int64_t shares = std::min(panels, parts(threads, all.products * blocks)), share = parts(panels, shares) * wide;
  parallel(context, all.products * blocks * shares, block * all.in * share / speed, [&](int64_t begin, int64_t end) {
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
