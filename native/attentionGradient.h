#pragma once

#include <algorithm>
#include <cmath>

#include "softmax.h"
#include "vectors.h"

namespace p2p {

struct AttentionInputs {
  Vectors<const float> q, k, v, dy;
};
struct AttentionGradients {
  Vectors<float> q, k, v;
};

// The gradients of one map with respect to its queries, keys and values. The probabilities are recomputed for one block of queries at a
// time.
inline void attentionGradient(const HeadSizes& sizes, bool causal, const AttentionInputs& in, const AttentionGradients& out) {
  constexpr int64_t kProbs = int64_t{1} << 17;  // 512 KiB
  const int64_t keys = sizes.keys, most = std::clamp<int64_t>(kProbs / keys, 8, 64);
  const float scale = 1 / std::sqrt(float(sizes.size));
  const ConstView k = view(in.k, 0, keys, sizes.size), v = view(in.v, 0, keys, sizes.size);
  Matrix dk = Matrix::Zero(keys, sizes.size), dv = Matrix::Zero(keys, sizes.size), probs(most, keys), dLogits(most, keys), queries;
  for (int64_t first = 0; first < sizes.queries; first += most) {
    const int64_t count = std::min(most, sizes.queries - first), seen = causal ? std::min(first + count, keys) : keys;
    const ConstView dy = view(in.dy, first, count, sizes.size);
    queries = view(in.q, first, count, sizes.size) * scale;
    auto p = probs.topLeftCorner(count, seen), d = dLogits.topLeftCorner(count, seen);
    p.noalias() = queries * k.topRows(seen).transpose();
    d.noalias() = dy * v.topRows(seen).transpose();
    for (int64_t query = 0; query < count; ++query) {
      const int64_t visible = causal ? std::min(first + query + 1, seen) : seen;
      float* row = probs.row(query).data();
      softmax(row, visible, row);
      std::fill(row + visible, row + seen, 0.0f);
      const float along = p.row(query).dot(d.row(query));
      d.row(query).array() = p.row(query).array() * (d.row(query).array() - along);
    }
    dv.topRows(seen).noalias() += p.transpose() * dy;
    dk.topRows(seen).noalias() += d.transpose() * queries;
    changeable(out.q, first, count, sizes.size).noalias() = scale * (d * k.topRows(seen));
  }
  changeable(out.k, 0, keys, sizes.size) = dk;
  changeable(out.v, 0, keys, sizes.size) = dv;
}

}  // namespace p2p
