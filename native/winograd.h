#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "multiply.h"
#include "unsupported/Eigen/CXX11/Tensor"

namespace p2p {

// 3x3 convolutions with a bias, stride 1 and padding 1, by Winograd's algorithm F(2x2, 3x3) (Lavin and Gray 2016): the four results of a
// tile take 16 multiplications instead of 36. x [rows, height, width, in], filter [3, 3, in, out], bias [out] -> y [rows, height, width,
// out].
//
// Tiles are 4x4 pixels of x, 2 apart; each is transformed to 16 numbers, sums and differences of its pixels, and so is the filter.
// Corresponding numbers are multiplied as 16 matrix products, and 2x2 pixels of y are sums and differences of these.
class Winograd {
 public:
  // Whether it is faster than a plain convolution: if the filter, which is transformed every time, is used often enough. This is decided by
  // one picture, because its numbers must be the same whichever others are computed with it.
  static bool Pays(const tensorflow::Tensor& x, const tensorflow::Tensor& filter) {
    return filter.dim_size(0) == 3 && filter.dim_size(1) == 3 && TilesEach(x) >= kLeastTiles && std::min(filter.dim_size(2), filter.dim_size(3)) >= kLeastChannels;
  }

  static void Compute(tensorflow::OpKernelContext* context, const tensorflow::Tensor& x, const tensorflow::Tensor& filter, const tensorflow::Tensor& bias) {
    const int64_t in = filter.dim_size(2), out = filter.dim_size(3), tiles = Tiles(x);
    tensorflow::Tensor *y = nullptr, filters, pixels, products;
    OP_REQUIRES_OK(context, context->allocate_output(0, {x.dim_size(0), x.dim_size(1), x.dim_size(2), out}, &y));
    OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {16, in, out}, &filters));
    TransformFilter(context, filter, filters);
    const int64_t most = std::max(kLeastAtOnce, kAtOnce / (16 * std::max(in, out)));
    const int64_t atOnce = parts(tiles, parts(tiles, most));
    for (int64_t first = 0; first < tiles; first += atOnce) {
      const int64_t count = std::min(atOnce, tiles - first);
      OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {16, count, in}, &pixels));
      OP_REQUIRES_OK(context, context->allocate_temp(tensorflow::DT_FLOAT, {16, count, out}, &products));
      TransformPixels(context, x, first, count, pixels);
      multiply(context, {16, count, in, out, pixels.flat<float>().data(), filters.flat<float>().data(), nullptr, products.flat<float>().data()}, 16 * TilesEach(x));
      TransformProducts(context, products, bias, first, count, *y);
    }
  }

 private:
  using Packet = Eigen::internal::packet_traits<float>::type;
  static constexpr int64_t kSize = Eigen::internal::unpacket_traits<Packet>::size;
  static constexpr int64_t kLeastTiles = 16, kLeastChannels = 32;
  static constexpr int64_t kLeastAtOnce = 512;  // tiles, because of the cost of reading the filter again

  static int64_t Halved(int64_t size) { return parts(size, 2); }
  static int64_t TilesEach(const tensorflow::Tensor& x) { return Halved(x.dim_size(1)) * Halved(x.dim_size(2)); }
  static int64_t Tiles(const tensorflow::Tensor& x) { return x.dim_size(0) * TilesEach(x); }

  // Calls work(first, Packets()) for every kSize channels, and work(first, Scalars()) for each that is left.
  template <typename Work>
  static void Channels(int64_t channels, Work work) {
    int64_t channel = 0;
    for (; channel + kSize <= channels; channel += kSize) work(channel, Packets());
    for (; channel < channels; ++channel) work(channel, Scalars());
  }
  struct Packets {
    static Packet Load(const float* from) { return Eigen::internal::ploadu<Packet>(from); }
    template <typename Number>
    static Packet Load(const Number* from) {
      float wide[kSize];
      widen<kSize>(from, wide);
      return Load(wide);
    }
    static void Store(float* to, Packet value) { Eigen::internal::pstoreu(to, value); }
  };
  struct Scalars {
    template <typename Number>
    static float Load(const Number* from) {
      return static_cast<float>(*from);
    }
    static void Store(float* to, float value) { *to = value; }
  };

  static void TransformFilter(tensorflow::OpKernelContext* context, const tensorflow::Tensor& filter, tensorflow::Tensor& to) {
    const int64_t in = filter.dim_size(2), out = filter.dim_size(3);
    float* made = to.flat<float>().data();
    Weight(filter).Visit([&](const auto* from) { TransformNumbers(context, from, in, out, made); });
  }

  template <typename Number>
  static void TransformNumbers(tensorflow::OpKernelContext* context, const Number* from, int64_t in, int64_t out, float* made) {
    const int64_t plane = in * out;
    parallel(context, in, 32 * out, [&](int64_t begin, int64_t end) {
      for (int64_t channel = begin; channel < end; ++channel) {
        Channels(out, [&](int64_t first, auto lanes) {
          using Lanes = decltype(lanes);
          const int64_t at = channel * out + first;
          const auto stored = [&](int i, int j) { return Lanes::Load(from + (3 * i + j) * plane + at); };
          std::array<decltype(stored(0, 0)), 4> columns[3];
          for (int j = 0; j < 3; ++j) columns[j] = FilterSums(stored(0, j), stored(1, j), stored(2, j));
          for (int i = 0; i < 4; ++i) {
            const auto row = FilterSums(columns[0][i], columns[1][i], columns[2][i]);
            for (int j = 0; j < 4; ++j) Lanes::Store(made + (4 * i + j) * plane + at, row[j]);
          }
        });
      }
    });
  }

  static void TransformPixels(tensorflow::OpKernelContext* context, const tensorflow::Tensor& x, int64_t firstTile, int64_t count, tensorflow::Tensor& to) {
    const int64_t height = x.dim_size(1), width = x.dim_size(2), in = x.dim_size(3), plane = count * in;
    const int64_t across = Halved(width), down = Halved(height);
    const std::vector<float> zeros(in);
    const float* from = x.flat<float>().data();
    float* made = to.flat<float>().data();
    parallel(context, count, 32 * in, [&](int64_t begin, int64_t end) {
      const float* d[4][4];
      for (int64_t number = begin; number < end; ++number) {
        const int64_t tile = firstTile + number, row = tile / (across * down), top = tile / across % down * 2 - 1, left = tile % across * 2 - 1;
        for (int64_t i = 0; i < 4; ++i) {
          for (int64_t j = 0; j < 4; ++j) {
            const int64_t h = top + i, w = left + j;
            const bool inside = h >= 0 && h < height && w >= 0 && w < width;
            d[i][j] = inside ? from + ((row * height + h) * width + w) * in : zeros.data();
          }
        }
        Channels(in, [&](int64_t channel, auto lanes) {
          using Lanes = decltype(lanes);
          const auto stored = [&](int i, int j) { return Lanes::Load(d[i][j] + channel); };
          std::array<decltype(stored(0, 0)), 4> columns[4];
          for (int j = 0; j < 4; ++j) columns[j] = PixelSums(stored(0, j), stored(1, j), stored(2, j), stored(3, j));
          for (int i = 0; i < 4; ++i) {
            const auto row = PixelSums(columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
            for (int j = 0; j < 4; ++j) Lanes::Store(made + (4 * i + j) * plane + number * in + channel, row[j]);
          }
        });
      }
    });
  }

  static void TransformProducts(tensorflow::OpKernelContext* context, const tensorflow::Tensor& products, const tensorflow::Tensor& bias,
                                int64_t firstTile, int64_t count, tensorflow::Tensor& y) {
    const int64_t height = y.dim_size(1), width = y.dim_size(2), out = y.dim_size(3), plane = count * out;
    const int64_t across = Halved(width), down = Halved(height);
    const float *from = products.flat<float>().data(), *added = bias.flat<float>().data();
    float* made = y.flat<float>().data();
    parallel(context, count, 32 * out, [&](int64_t begin, int64_t end) {
      for (int64_t number = begin; number < end; ++number) {
        const int64_t tile = firstTile + number, row = tile / (across * down), top = tile / across % down * 2, left = tile % across * 2;
        const bool below = top + 1 < height, right = left + 1 < width;
        float* pixel = made + ((row * height + top) * width + left) * out;
        Channels(out, [&](int64_t channel, auto lanes) {
          using Lanes = decltype(lanes);
          const auto product = [&](int i, int j) { return Lanes::Load(from + (4 * i + j) * plane + number * out + channel); };
          std::array<decltype(product(0, 0)), 2> columns[4];
          for (int j = 0; j < 4; ++j) columns[j] = ProductSums(product(0, j), product(1, j), product(2, j), product(3, j));
          for (int i = 0; i < (below ? 2 : 1); ++i) {
            const auto row = ProductSums(columns[0][i], columns[1][i], columns[2][i], columns[3][i]);
            for (int j = 0; j < (right ? 2 : 1); ++j) Lanes::Store(pixel + (i * width + j) * out + channel, row[j] + Lanes::Load(added + channel));
          }
        });
      }
    });
  }

  // The paper's matrices G, B and A, transposed, times one vector.
  template <typename T>
  static std::array<T, 4> FilterSums(T a, T b, T c) {
    const T half = Eigen::internal::pset1<T>(0.5f), outer = (a + c) * half, inner = b * half;
    return {a, outer + inner, outer - inner, c};
  }
  template <typename T>
  static std::array<T, 4> PixelSums(T a, T b, T c, T d) {
    return {a - c, b + c, c - b, b - d};
  }
  template <typename T>
  static std::array<T, 2> ProductSums(T a, T b, T c, T d) {
    return {a + b + c, b - c - d};
  }
};

}  // namespace p2p
