#pragma once

#include "unsupported/Eigen/CXX11/Tensor"

namespace p2p {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
// A matrix whose rows are further apart than they are long.
using View = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;
using ConstView = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;

// The sizes of attention: a map is one head of one row; vectors have `size` numbers.
struct HeadSizes {
  int64_t maps, queries, keys, size;
};
constexpr int64_t kQueries = 128, kKeys = 256;  // multiplied with each other at a time

// The location of one head's vectors, `step` numbers apart.
template <typename Number>
struct Vectors {
  Number* data;
  int64_t step;
};

inline ConstView view(const Vectors<const float>& vectors, int64_t first, int64_t count, int64_t size) {
  return {vectors.data + first * vectors.step, count, size, Eigen::OuterStride<>(vectors.step)};
}
inline View changeable(const Vectors<float>& vectors, int64_t first, int64_t count, int64_t size) {
  return {vectors.data + first * vectors.step, count, size, Eigen::OuterStride<>(vectors.step)};
}

}  // namespace p2p
