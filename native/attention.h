#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include "parallel.h"
#include "softmax.h"
#include "splitAttention.h"
#include "splitProduct.h"
#include "vectors.h"

namespace p2p {

// Products of a block of a head's queries with blocks of its keys and values, in float32.
class AttentionProducts {
 public:
  explicit AttentionProducts(const HeadSizes&) {}

  static int64_t Width(int64_t size) { return size; }

  void TakeKeys(const ConstView& keys) { keys_.emplace(keys); }
  void TakeValues(const ConstView& values) { values_.emplace(values); }
  void TakeQueries(const Matrix& queries) { queries_ = &queries; }

  void Logits(int64_t first, View logits) const { logits.noalias() = *queries_ * keys_->middleRows(first, logits.cols()).transpose(); }
  void AddValues(const View& weights, int64_t first, View output) const { output.noalias() += weights * values_->middleRows(first, weights.cols()); }

 private:
  std::optional<ConstView> keys_, values_;
  const Matrix* queries_ = nullptr;
};

// A block of queries whose logits stay in the cache.
template <typename Products>
class AttentionBlock {
 public:
  explicit AttentionBlock(const HeadSizes& sizes)
      : products(sizes), logits(Queries(sizes), Tiled(sizes.keys) + kGap), output_(Queries(sizes), Tiled(sizes.size)) {}

  // Calls work(block, map, first, count, isNew) for each block of each map's queries; isNew if the block last worked on another map.
  template <typename Work>
  static void Each(tensorflow::OpKernelContext* context, const HeadSizes& sizes, Work work) {
    const int64_t most = Queries(sizes), blocks = parts(sizes.queries, most);
    parallel(context, sizes.maps * blocks, most * sizes.keys * (sizes.size / 4 + 4), [&](int64_t begin, int64_t end) {
      AttentionBlock block(sizes);
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t first = unit % blocks * most;
        work(block, unit / blocks, first, std::min(most, sizes.queries - first), unit == begin || first == 0);
      }
    });
  }

  void ComputeLogits(const ConstView& q, int64_t keys) {
    queries_ = q * (1 / std::sqrt(float(q.cols())));
    products.TakeQueries(queries_);
    for (int64_t first = 0; first < keys; first += kKeys) products.Logits(first, Columns(logits, first, q.rows(), std::min(kKeys, keys - first)));
  }

  // Expects probabilities in `logits`.
  void ComputeValues(int64_t keys, View y) {
    output_.setZero();
    const View output = Columns(output_, 0, y.rows(), output_.cols());
    for (int64_t first = 0; first < keys; first += kKeys) products.AddValues(Columns(logits, first, y.rows(), std::min(kKeys, keys - first)), first, output);
    y = output.leftCols(y.cols());
  }

  Products products;
  Matrix logits;

 private:
  static constexpr int64_t kLogits = int64_t{1} << 18;  // 1 MiB
  static constexpr int64_t kLeast = 32;                 // queries
  static constexpr int64_t kGap = 16;                   // A cache can hold only a few rows that start a power of two apart.

  static int64_t Queries(const HeadSizes& sizes) { return std::clamp(kLogits / sizes.keys / kLeast * kLeast, kLeast, kQueries); }
  static int64_t Tiled(int64_t size) { return Products::Width(size); }
  static View Columns(Matrix& of, int64_t first, int64_t rows, int64_t columns) { return {of.data() + first, rows, columns, Eigen::OuterStride<>(of.cols())}; }

  Matrix queries_, output_;
};

// Attention, softmax(q k^T / sqrt(size)) v, or a step of it. Every number is rounded as if the three steps were done separately, so that a
// result does not depend on which layers a controller looks into. For each map (a head of a row), the given functions return where its
// vectors are.
template <typename Products>
struct Attend {
  using Block = AttentionBlock<Products>;

  // If causal, a query attends to no key after it.
  template <typename Q, typename K, typename V, typename Y>
  static void All(tensorflow::OpKernelContext* context, const HeadSizes& sizes, bool causal, Q q, K k, V v, Y y) {
    Block::Each(context, sizes, [&](Block& block, int64_t map, int64_t first, int64_t count, bool isNew) {
      if (isNew) block.products.TakeKeys(view(k(map), 0, sizes.keys, sizes.size));
      if (isNew) block.products.TakeValues(view(v(map), 0, sizes.keys, sizes.size));
      const int64_t keys = causal ? std::min(first + count, sizes.keys) : sizes.keys;
      block.ComputeLogits(view(q(map), first, count, sizes.size), keys);
      for (int64_t query = 0; query < count; ++query) {
        float* const row = block.logits.row(query).data();
        const int64_t seen = causal ? std::min(first + query + 1, keys) : keys;
        softmax(row, seen, row);
        std::fill(row + seen, row + keys, 0.0f);
      }
      block.ComputeValues(keys, changeable(y(map), first, count, sizes.size));
    });
  }

  template <typename Q, typename K, typename L>
  static void Logits(tensorflow::OpKernelContext* context, const HeadSizes& sizes, Q q, K k, L logits) {
    Block::Each(context, sizes, [&](Block& block, int64_t map, int64_t first, int64_t count, bool isNew) {
      if (isNew) block.products.TakeKeys(view(k(map), 0, sizes.keys, sizes.size));
      block.ComputeLogits(view(q(map), first, count, sizes.size), sizes.keys);
      changeable(logits(map), first, count, sizes.keys) = block.logits.topLeftCorner(count, sizes.keys);
    });
  }

  template <typename P, typename V, typename Y>
  static void Values(tensorflow::OpKernelContext* context, const HeadSizes& sizes, P probs, V v, Y y) {
    Block::Each(context, sizes, [&](Block& block, int64_t map, int64_t first, int64_t count, bool isNew) {
      if (isNew) block.products.TakeValues(view(v(map), 0, sizes.keys, sizes.size));
      block.logits.topLeftCorner(count, sizes.keys) = view(probs(map), first, count, sizes.keys);
      block.ComputeValues(sizes.keys, changeable(y(map), first, count, sizes.size));
    });
  }
};

// Calls compute(Attend<...>()) with the fastest products for `heads` maps per picture.
template <typename Compute>
void byProducts(const HeadSizes& sizes, int64_t heads, Compute compute) {
#ifdef __AMX_BF16__
  if (SplitProduct::Pays(heads * sizes.queries * sizes.keys * sizes.size)) return compute(Attend<SplitAttentionProducts>());
#endif
  compute(Attend<AttentionProducts>());
}

}  // namespace p2p
