#pragma once

#include <cstdint>

#include "tensorflow/core/framework/tensor.h"

namespace p2p {

// Widens a fixed count of numbers, which takes a few instructions.
template <int64_t count, typename Number>
void widen(const Number* from, float* to) {
  Eigen::Map<Eigen::Array<float, count, 1>>{to} = Eigen::Map<const Eigen::Array<Number, count, 1>>(from).template cast<float>();
}

// A weight's numbers as kept: float32, or 16 bits each as in a file, which are widened when packed for a product.
class Weight {
 public:
  Weight(const float* numbers) : data_(reinterpret_cast<const char*>(numbers)), type_(tensorflow::DT_FLOAT) {}
  explicit Weight(const tensorflow::Tensor& tensor) : data_(tensor.tensor_data().data()), type_(tensor.dtype()) {}

  Weight operator+(int64_t numbers) const {
    Weight further = *this;
    further.data_ += numbers * (type_ == tensorflow::DT_FLOAT ? 4 : 2);
    return further;
  }
  const char* data() const { return data_; }

  // Calls use(numbers) with a pointer of their actual type.
  template <typename Use>
  void Visit(Use use) const {
    if (type_ == tensorflow::DT_HALF) use(reinterpret_cast<const Eigen::half*>(data_));
    else if (type_ == tensorflow::DT_BFLOAT16) use(reinterpret_cast<const Eigen::bfloat16*>(data_));
    else use(reinterpret_cast<const float*>(data_));
  }

 private:
  const char* data_;
  tensorflow::DataType type_;
};

}  // namespace p2p
