#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "parallel.h"
#include "splitAttention.h"
#include "splitProduct.h"
#include "vectors.h"

namespace p2p {

// The products of a head's queries, a block of them at a time, with blocks of its keys and values, in float32.
class AttentionProducts {
 public:
  explicit AttentionProducts(const HeadSizes&) {}

  static int64_t Width(int64_t size) { return size; }

  void Take(const ConstView& keys, const ConstView& values) {
    keys_.emplace(keys);
    values_.emplace(values);
  }
  void Take(const Matrix& queries) { queries_ = &queries; }

  void Logits(int64_t first, int64_t count, Matrix& logits) const {
    logits.topLeftCorner(queries_->rows(), count).noalias() = *queries_ * keys_->middleRows(first, count).transpose();
  }
  void AddValues(const Matrix& weights, int64_t first, int64_t count, Matrix& output) const {
    output.topRows(queries_->rows()).noalias() += weights.topLeftCorner(queries_->rows(), count) * values_->middleRows(first, count);
  }

 private:
  std::optional<ConstView> keys_, values_;
  const Matrix* queries_ = nullptr;
};

// Attention: softmax(q k^T / sqrt(size)) v, in blocks of queries and keys that stay in the cache, with the softmax kept up as keys go by (Dao
// et al. 2022, FlashAttention).
template <typename Products>
class Attend {
 public:
  explicit Attend(const HeadSizes& sizes)
      : products_(sizes), logits_(kQueries, kKeys), output_(kQueries, Products::Width(sizes.size)), top_(kQueries), sum_(kQueries) {}

  // For all maps (a head of a row) q, k, v and y tell where their vectors lie. If causal, a query sees no key after it.
  template <typename Q, typename K, typename V, typename Y>
  static void All(tensorflow::OpKernelContext* context, const HeadSizes& sizes, bool causal, Q q, K k, V v, Y y) {
    const auto [maps, queries, keys, size] = sizes;
    const int64_t blocks = (queries + kQueries - 1) / kQueries;
    parallel(context, maps * blocks, kQueries * keys * (size / 4 + 4), [&, queries = queries, keys = keys, size = size](int64_t begin, int64_t end) {
      Attend attend(sizes);
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t map = unit / blocks, first = unit % blocks * kQueries, count = std::min(kQueries, queries - first);
        if (unit == begin || first == 0) attend.products_.Take(view(k(map), 0, keys, size), view(v(map), 0, keys, size));
        const int64_t seen = causal ? std::min(first + count, keys) : keys;
        attend.Block(view(q(map), first, count, size), seen, causal ? first : keys, changeable(y(map), first, count, size));
      }
    });
  }

 private:
  // The first query sees the first key and `further` more, each other one key more than the one before; none of them more than `keys`.
  void Block(const ConstView& q, int64_t keys, int64_t further, View y) {
    queries_ = q * (1 / std::sqrt(float(q.cols())));
    products_.Take(queries_);
    output_.setZero();
    top_.setConstant(-std::numeric_limits<float>::infinity());
    sum_.setZero();
    for (int64_t first = 0; first < keys; first += kKeys) {
      const int64_t count = std::min(kKeys, keys - first);
      products_.Logits(first, count, logits_);
      for (int64_t query = 0; query < q.rows(); ++query) {
        auto logits = logits_.row(query).head(count).array();
        const int64_t seen = std::clamp<int64_t>(further + query + 1 - first, 0, count);
        logits.tail(count - seen) = -std::numeric_limits<float>::infinity();
        const float top = std::max(top_[query], logits.maxCoeff());
        const float shrink = std::exp(top_[query] - top);
        logits = (logits - top).exp();
        sum_[query] = sum_[query] * shrink + logits.sum();
        if (shrink != 1) output_.row(query) *= shrink;
        top_[query] = top;
      }
      products_.AddValues(logits_, first, count, output_);
    }
    y = output_.topLeftCorner(q.rows(), q.cols()).array().colwise() / sum_.head(q.rows());
  }

  Products products_;
  Matrix queries_, logits_, output_;
  Eigen::ArrayXf top_, sum_;
};

// The same for maps of `heads` each picture, by whichever products are the fastest.
template <typename... Where>
void attend(tensorflow::OpKernelContext* context, const HeadSizes& sizes, int64_t heads, bool causal, Where... where) {
#ifdef __AMX_BF16__
  if (SplitProduct::Pays(heads * sizes.queries * sizes.keys * sizes.size)) return Attend<SplitAttentionProducts>::All(context, sizes, causal, where...);
#endif
  Attend<AttentionProducts>::All(context, sizes, causal, where...);
}

}  // namespace p2p
