#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "parallel.h"

namespace p2p {

// The mean and 1 / sqrt(variance + epsilon) of each row and group of x [rows, ..., channels], repeated for each channel of the group.
class GroupMoments {
 public:
  static constexpr int64_t kBlock = 64;  // Pixels summed in float32.

  struct Sizes {
    int64_t rows, pixels, channels;
  };

  GroupMoments(tensorflow::OpKernelContext* context, const tensorflow::Tensor& x, int64_t groups, float epsilon)
      : sizes(SizesOf(x)), mean(sizes.rows * sizes.channels), inverse(sizes.rows * sizes.channels) {
    const auto [rows, pixels, channels] = sizes;
    const float* in = x.flat<float>().data();
    // Sums of (x - pivot) and of its square, channel by channel; the pivot, a row's first pixel, keeps the difference of the two exact if
    // the mean is far from zero.
    const int64_t blocks = parts(pixels, kBlock);
    std::vector<float> sums(rows * blocks * 2 * channels, 0.0f);
    parallel(context, rows * blocks, kBlock * channels, [&, pixels = pixels, channels = channels](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t row = unit / blocks, first = (unit % blocks) * kBlock;
        const float* pivot = in + row * pixels * channels;
        float* sum = sums.data() + unit * 2 * channels;
        float* square = sum + channels;
        for (int64_t pixel = first; pixel < std::min(first + kBlock, pixels); ++pixel) {
          const float* values = pivot + pixel * channels;
          for (int64_t c = 0; c < channels; ++c) {
            const float centred = values[c] - pivot[c];
            sum[c] += centred;
            square[c] += centred * centred;
          }
        }
      }
    });
    for (int64_t row = 0; row < rows; ++row) OfRow(row, groups, epsilon, in + row * pixels * channels, sums.data() + row * blocks * 2 * channels, blocks);
  }

  // A norm is scale x + shift.
  std::vector<float> Scales(const tensorflow::Tensor& weight) const {
    std::vector<float> scales(inverse);
    for (size_t i = 0; i < scales.size(); ++i) scales[i] *= weight.flat<float>().data()[i % sizes.channels];
    return scales;
  }
  std::vector<float> Shifts(const std::vector<float>& scales, const tensorflow::Tensor& bias) const {
    std::vector<float> shifts(scales.size());
    for (size_t i = 0; i < shifts.size(); ++i) shifts[i] = bias.flat<float>().data()[i % sizes.channels] - mean[i] * scales[i];
    return shifts;
  }

  const Sizes sizes;
  std::vector<float> mean, inverse;

 private:
  static Sizes SizesOf(const tensorflow::Tensor& x) {
    const int64_t rows = x.dim_size(0), channels = x.dim_size(x.dims() - 1);
    return {rows, x.NumElements() / (rows * channels), channels};
  }

  void OfRow(int64_t row, int64_t groups, float epsilon, const float* pivot, const float* sums, int64_t blocks) {
    const int64_t channels = sizes.channels, size = channels / groups;
    std::vector<double> means(channels), meanSquares(channels);
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t c = 0; c < channels; ++c) {
        means[c] += sums[block * 2 * channels + c] / sizes.pixels;
        meanSquares[c] += sums[(block * 2 + 1) * channels + c] / sizes.pixels;
      }
    }
    for (int64_t first = 0; first < channels; first += size) {
      double ofGroup = 0, variance = 0;
      for (int64_t c = first; c < first + size; ++c) ofGroup += (pivot[c] + means[c]) / size;
      for (int64_t c = first; c < first + size; ++c) {
        const double off = pivot[c] + means[c] - ofGroup;
        variance += (meanSquares[c] - means[c] * means[c] + off * off) / size;
      }
      std::fill_n(mean.data() + row * channels + first, size, float(ofGroup));
      std::fill_n(inverse.data() + row * channels + first, size, float(1 / std::sqrt(variance + epsilon)));
    }
  }
};

}  // namespace p2p
