#pragma once

#ifdef __AMX_BF16__

#include <vector>

#include "tiles.h"
#include "vectors.h"

namespace p2p {

// Attention's products with `Tiles`; keys and values are packed once per head.
class SplitAttentionProducts {
 public:
  explicit SplitAttentionProducts(const HeadSizes& sizes)
      : steps_(parts(sizes.size, Tiles::kStep)),
        keys_(parts(sizes.keys, Tiles::kWide) * 2 * steps_),
        values_(parts(sizes.keys, kKeys) * steps_ * kValues),
        queries_(kQueries / 16 * steps_),
        weights_(kQueries / 16 * kKeys / Tiles::kStep) {}

  // Outputs consist of whole tiles.
  static int64_t Width(int64_t size) { return parts(size, Tiles::kWide) * Tiles::kWide; }

  void TakeKeys(const ConstView& keys) {
    for (int64_t first = 0; first < keys.rows(); first += Tiles::kWide) {
      Tiles::PackRightTransposed(keys.data() + first * keys.outerStride(), keys.outerStride(), keys.cols(), std::min(Tiles::kWide, keys.rows() - first), Keys(first));
    }
  }
  void TakeValues(const ConstView& values) {
    for (int64_t first = 0; first < values.rows(); first += kKeys) {
      for (int64_t column = 0; column < values.cols(); column += Tiles::kWide) {
        Tiles::PackRight(values.data() + first * values.outerStride() + column, values.outerStride(), std::min(kKeys, values.rows() - first),
                         std::min(Tiles::kWide, values.cols() - column), Values(first, column));
      }
    }
  }
  void TakeQueries(const Matrix& queries) {
    count_ = queries.rows();
    Tiles::PackLeft(queries.data(), queries.cols(), count_, queries.cols(), queries_.data());
  }

  void Logits(int64_t first, View logits) {
    static constexpr float zeros[Tiles::kWide] = {};
    for (int64_t key = 0; key < logits.cols(); key += Tiles::kWide) {
      for (int64_t query = 0; query < count_; query += Tiles::kHigh) {
        Tiles::Multiply(queries_.data() + query / 16 * steps_, Keys(first + key), steps_, &logits(query, key), logits.outerStride(), Tiles::kHigh, zeros);
      }
    }
  }
  void AddValues(const View& weights, int64_t first, View output) {
    const int64_t steps = parts(weights.cols(), Tiles::kStep);
    Tiles::PackLeft(weights.data(), weights.outerStride(), weights.rows(), weights.cols(), weights_.data());
    for (int64_t column = 0; column < output.cols(); column += Tiles::kWide) {
      for (int64_t query = 0; query < weights.rows(); query += Tiles::kHigh) {
        Tiles::Multiply(weights_.data() + query / 16 * steps, Values(first, column), steps, &output(query, column), output.outerStride(), Tiles::kHigh, nullptr);
      }
    }
  }

 private:
  static constexpr int64_t kValues = 2 * kKeys / Tiles::kStep;  // tiles of a block of values, kWide columns of it

  Tiles::Split* Keys(int64_t first) { return keys_.data() + first / Tiles::kWide * 2 * steps_; }
  Tiles::Split* Values(int64_t first, int64_t column) { return values_.data() + (first / kKeys * steps_ + column / Tiles::kWide) * kValues; }

  const Tiles::Registers registers_;
  const int64_t steps_;  // of a vector
  std::vector<Tiles::Split> keys_, values_, queries_, weights_;
  int64_t count_ = 0;
};

}  // namespace p2p

#endif
