#pragma once

#include <algorithm>

#include "multiply.h"

namespace p2p {

// A convolution with a bias, of any size and stride, by products of matrices. x [rows, height, width, in], filter [high, wide, in, out],
// bias [out] -> y [rows, down, across, out]; `before` is the zero padding above and left of the pictures, `after` that below and right.
class Convolution {
 public:
  struct Attributes {
    int stride, before, after;
  };

  static void Compute(tensorflow::OpKernelContext* context, const tensorflow::Tensor& x, const tensorflow::Tensor& filter, const tensorflow::Tensor& bias, const Attributes& attributes) {
    const Convolution convolution(x, filter, attributes);
    OP_REQUIRES(context, convolution.down_ > 0 && convolution.across_ > 0, absl::InvalidArgumentError("the picture is smaller than the filter"));
    tensorflow::Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {x.dim_size(0), convolution.down_, convolution.across_, convolution.out_}, &y));
    const float *from = x.flat<float>().data(), *added = bias.flat<float>().data();
    const Weight by(filter);
    float* to = y->flat<float>().data();
    if (convolution.taps_ == 1 && convolution.stride_ == 1 && x.dim_size(1) == convolution.down_) convolution.ByPixel(context, from, by, added, to);
    else if (convolution.stride_ == 1 && convolution.out_ < convolution.in_) convolution.ByTaps(context, from, by, added, to);
    else convolution.ByPatches(context, from, by, added, to);
  }

 private:
  Convolution(const tensorflow::Tensor& x, const tensorflow::Tensor& filter, const Attributes& attributes)
      : rows_(x.dim_size(0)), height_(x.dim_size(1)), width_(x.dim_size(2)), in_(x.dim_size(3)), out_(filter.dim_size(3)),
        wide_(filter.dim_size(1)), taps_(filter.dim_size(0) * wide_), stride_(attributes.stride), before_(attributes.before),
        down_((height_ + attributes.before + attributes.after - filter.dim_size(0)) / stride_ + 1),
        across_((width_ + attributes.before + attributes.after - wide_) / stride_ + 1) {}

  void ByPixel(tensorflow::OpKernelContext* context, const float* x, Weight filter, const float* bias, float* y) const {
    multiply(context, {1, rows_ * height_ * width_, in_, out_, x, filter, bias, y}, height_ * width_);
  }

  // Multiplies the patch of x under the filter, for each pixel of y, by the filter.
  void ByPatches(tensorflow::OpKernelContext* context, const float* x, Weight filter, const float* bias, float* y) const {
    const int64_t pixels = rows_ * down_ * across_, depth = taps_ * in_, atOnce = std::max<int64_t>(1, std::min(pixels, kAtOnce / depth));
    tensorflow::Tensor temporary;
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {atOnce, depth}, &temporary));
    float* patches = temporary.flat<float>().data();
    for (int64_t first = 0; first < pixels; first += atOnce, y += atOnce * out_) {
      const int64_t count = std::min(atOnce, pixels - first);
      parallel(context, count, depth + 8 * taps_, [&](int64_t begin, int64_t end) {
        for (int64_t pixel = begin; pixel < end; ++pixel) {
          float* to = patches + pixel * depth;
          for (int64_t tap = 0; tap < taps_; ++tap, to += in_) {
            const int64_t seen = Seen(first + pixel, tap);
            if (seen < 0) std::fill_n(to, in_, 0.0f);
            else std::copy_n(x + seen * in_, in_, to);
          }
        }
      });
      multiply(context, {1, count, depth, out_, patches, filter, bias, y}, down_ * across_);
    }
  }

  // Multiplies each pixel of x by the whole filter at once, then sums the products for each pixel of y: faster if y has fewer channels.
  void ByTaps(tensorflow::OpKernelContext* context, const float* x, Weight filter, const float* bias, float* y) const {
    const int64_t columns = taps_ * out_;
    tensorflow::Tensor turned, temporary;
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {in_, columns}, &turned));
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {rows_ * height_ * width_, columns}, &temporary));
    float *weight = turned.flat<float>().data(), *products = temporary.flat<float>().data();
    for (int64_t tap = 0; tap < taps_; ++tap) {
      for (int64_t channel = 0; channel < in_; ++channel) {
        (filter + (tap * in_ + channel) * out_).Visit([&](const auto* numbers) { std::copy_n(numbers, out_, weight + channel * columns + tap * out_); });
      }
    }
    multiply(context, {1, rows_ * height_ * width_, in_, columns, x, weight, nullptr, products}, height_ * width_);
    parallel(context, rows_ * down_ * across_, 2 * columns, [&](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        float* sum = y + pixel * out_;
        std::copy_n(bias, out_, sum);
        for (int64_t tap = 0; tap < taps_; ++tap) {
          const int64_t seen = Seen(pixel, tap);
          const float* product = products + seen * columns + tap * out_;
          for (int64_t channel = 0; channel < out_ && seen >= 0; ++channel) sum[channel] += product[channel];
        }
      }
    });
  }

  // The pixel of x under a tap of the filter for a pixel of y; -1 for padding.
  int64_t Seen(int64_t pixel, int64_t tap) const {
    const int64_t row = pixel / (down_ * across_), h = pixel / across_ % down_ * stride_ - before_ + tap / wide_, w = pixel % across_ * stride_ - before_ + tap % wide_;
    return h >= 0 && h < height_ && w >= 0 && w < width_ ? (row * height_ + h) * width_ + w : -1;
  }

  const int64_t rows_, height_, width_, in_, out_, wide_, taps_, stride_, before_, down_, across_;
};

}  // namespace p2p
