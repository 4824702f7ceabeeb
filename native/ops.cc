// TensorFlow operations for the layers of a diffusion network, each with as few passes over memory as possible. `p2p native install`
// compiles them into tfjs-node's addon, for the processor of the machine it runs on; src/node/native/kernels.ts calls them. Tensors are
// float32, channels last.

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention.h"
#include "attentionGradient.h"
#include "convolution.h"
#include "groupMoments.h"
#include "multiply.h"
#include "parallel.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "winograd.h"
#include "unsupported/Eigen/SpecialFunctions"

namespace p2p {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using absl::InvalidArgumentError;
using tensorflow::shape_inference::UnchangedShape;
using tensorflow::shape_inference::UnknownShape;

using Array = Eigen::Map<Eigen::ArrayXf>;
using ConstArray = Eigen::Map<const Eigen::ArrayXf>;

template <typename Values>
auto silu(const Values& x) {
  return x / (1 + (-x).exp());
}

// The derivative of silu.
template <typename Values>
auto siluSlope(const Values& x) {
  return (1 + x / (1 + x.exp())) / (1 + (-x).exp());
}

// ---- A convolution with bias: x [rows, height, width, in], filter [height, width, in, out], bias [out]; zero padding above and left of
// the pictures (before), and below and right (after)

REGISTER_OP("P2pConv2D")
    .Input("x: float")
    .Input("filter: Stored")
    .Input("bias: float")
    .Attr("Stored: {float, half, bfloat16}")
    .Attr("stride: int")
    .Attr("before: int")
    .Attr("after: int")
    .Output("y: float")
    .SetShapeFn(UnknownShape);

class Conv2D : public OpKernel {
 public:
  explicit Conv2D(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("stride", &attributes_.stride));
    OP_REQUIRES_OK(construction, construction->GetAttr("before", &attributes_.before));
    OP_REQUIRES_OK(construction, construction->GetAttr("after", &attributes_.after));
    winograd_ = attributes_.stride == 1 && attributes_.before == 1 && attributes_.after == 1;
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &filter = context->input(1), &bias = context->input(2);
    OP_REQUIRES(context, x.dims() == 4 && filter.dims() == 4 && filter.NumElements() > 0 && x.dim_size(3) == filter.dim_size(2) && bias.NumElements() == filter.dim_size(3),
                InvalidArgumentError("x has not the channels that the filter takes"));
    if (winograd_ && Winograd::Pays(x, filter)) Winograd::Compute(context, x, filter, bias);
    else Convolution::Compute(context, x, filter, bias, attributes_);
  }

 private:
  Convolution::Attributes attributes_;
  bool winograd_;
};
REGISTER_KERNEL_BUILDER(Name("P2pConv2D").Device(tensorflow::DEVICE_CPU), Conv2D);

// ---- A convolution's filter for its gradient: [high, wide, in, out] -> [high, wide, out, in], rotated by 180 degrees

REGISTER_OP("P2pTurnedFilter").Input("filter: Stored").Attr("Stored: {float, half, bfloat16}").Output("turned: float").SetShapeFn(UnknownShape);

class TurnedFilter : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& filter = context->input(0);
    OP_REQUIRES(context, filter.dims() == 4, InvalidArgumentError("a filter has four axes"));
    const int64_t high = filter.dim_size(0), wide = filter.dim_size(1), in = filter.dim_size(2), out = filter.dim_size(3);
    Tensor* turned = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {high, wide, out, in}, &turned));
    float* to = turned->flat<float>().data();
    const int64_t taps = high * wide, bands = parts(out, kSquare);
    Weight(filter).Visit([&](const auto* from) {
      parallel(context, taps * bands, 2 * kSquare * in, [&](int64_t begin, int64_t end) {
        for (int64_t unit = begin; unit < end; ++unit) {
          const int64_t tap = unit / bands, first = unit % bands * kSquare;
          Transpose(from + (taps - 1 - tap) * in * out, to + tap * in * out, in, out, first, std::min(out, first + kSquare));
        }
      });
    });
  }

 private:
  static constexpr int64_t kSquare = 32;  // numbers; squares of this size stay in the L1 cache

  // Copies columns of from [in, out] to rows of to [out, in].
  template <typename Number>
  static void Transpose(const Number* from, float* to, int64_t in, int64_t out, int64_t begin, int64_t end) {
    for (int64_t row = 0; row < in; row += kSquare) {
      const int64_t last = std::min(in, row + kSquare);
      for (int64_t column = begin; column < end; ++column) {
        for (int64_t i = row; i < last; ++i) to[column * in + i] = static_cast<float>(from[i * out + column]);
      }
    }
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pTurnedFilter").Device(tensorflow::DEVICE_CPU), TurnedFilter);

// ---- A linear layer: x [..., in], weight [in, out], bias [out] or none -> [..., out]

REGISTER_OP("P2pLinear")
    .Input("x: float")
    .Input("weight: Stored")
    .Input("bias: biases * float")
    .Attr("Stored: {float, half, bfloat16}")
    .Attr("biases: int >= 0")
    .Output("y: float")
    .SetShapeFn(UnknownShape);

class Linear : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &weight = context->input(1);
    OP_REQUIRES(context, x.dims() > 0 && weight.dims() == 2 && x.dim_size(x.dims() - 1) == weight.dim_size(0) && weight.dim_size(0) > 0,
                InvalidArgumentError("x has not the features that the weight takes"));
    const int64_t in = weight.dim_size(0), out = weight.dim_size(1), rows = x.NumElements() / in;
    const Tensor* bias = context->num_inputs() > 2 ? &context->input(2) : nullptr;
    OP_REQUIRES(context, !bias || bias->NumElements() == out, InvalidArgumentError("the bias has not the features that the weight gives"));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, out);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    const int64_t each = x.dims() > 2 ? rows / x.dim_size(0) : 1;
    multiply(context, {1, rows, in, out, x.flat<float>().data(), Weight(weight), bias ? bias->flat<float>().data() : nullptr, y->flat<float>().data()}, each);
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pLinear").Device(tensorflow::DEVICE_CPU), Linear);

// ---- Group norm: x [rows, ..., channels], weight and bias [channels], optionally followed by SiLU

REGISTER_OP("P2pGroupNorm")
    .Input("x: float")
    .Input("weight: float")
    .Input("bias: float")
    .Attr("groups: int")
    .Attr("epsilon: float")
    .Attr("silu: int")
    .Output("y: float")
    .SetShapeFn(UnchangedShape);

class GroupNorm : public OpKernel {
 public:
  explicit GroupNorm(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("groups", &groups_));
    OP_REQUIRES_OK(construction, construction->GetAttr("silu", &silu_));
    OP_REQUIRES_OK(construction, construction->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dim_size(x.dims() - 1) % groups_ == 0, InvalidArgumentError("channels do not fall into groups of equal size"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    const GroupMoments moments(context, x, groups_, epsilon_);
    const auto [rows, pixels, channels] = moments.sizes;
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    const std::vector<float> scales = moments.Scales(context->input(1)), shifts = moments.Shifts(scales, context->input(2));
    parallel(context, rows * pixels, channels, [&, pixels = pixels, channels = channels](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const float* scale = scales.data() + pixel / pixels * channels;
        const float* shift = shifts.data() + pixel / pixels * channels;
        const float* from = in + pixel * channels;
        float* to = out + pixel * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] = from[c] * scale[c] + shift[c];
        if (silu_) Array(to, channels) = silu(Array(to, channels));
      }
    });
  }

 private:
  int64_t groups_;
  int64_t silu_;
  float epsilon_;
};
REGISTER_KERNEL_BUILDER(Name("P2pGroupNorm").Device(tensorflow::DEVICE_CPU), GroupNorm);

// ---- Its gradient: dy of y's shape -> dx

REGISTER_OP("P2pGroupNormGradient")
    .Input("x: float")
    .Input("weight: float")
    .Input("bias: float")
    .Input("dy: float")
    .Attr("groups: int")
    .Attr("epsilon: float")
    .Attr("silu: int")
    .Output("dx: float")
    .SetShapeFn(UnchangedShape);

class GroupNormGradient : public OpKernel {
 public:
  explicit GroupNormGradient(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("groups", &groups_));
    OP_REQUIRES_OK(construction, construction->GetAttr("silu", &silu_));
    OP_REQUIRES_OK(construction, construction->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.shape() == context->input(3).shape() && x.dim_size(x.dims() - 1) % groups_ == 0,
                InvalidArgumentError("dy is not of x's shape, or channels do not fall into groups of equal size"));
    Tensor* dx = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &dx));
    if (x.NumElements() == 0) return;
    const GroupMoments moments(context, x, groups_, epsilon_);
    const auto [rows, pixels, channels] = moments.sizes;
    const std::vector<float> scales = moments.Scales(context->input(1)), shifts = moments.Shifts(scales, context->input(2));
    const float *in = x.flat<float>().data(), *dy = context->input(3).flat<float>().data();
    float* out = dx->flat<float>().data();

    // The gradient before SiLU, stored in dx, and per channel its sum and the sum of its product with x - mean.
    const int64_t blocks = parts(pixels, GroupMoments::kBlock);
    std::vector<float> sums(rows * blocks * 2 * channels, 0.0f);
    parallel(context, rows * blocks, GroupMoments::kBlock * channels * (silu_ ? 8 : 2), [&, pixels = pixels, channels = channels](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t row = unit / blocks, first = unit % blocks * GroupMoments::kBlock;
        const ConstArray scale(scales.data() + row * channels, channels), shift(shifts.data() + row * channels, channels), mean(moments.mean.data() + row * channels, channels);
        Array sum(sums.data() + unit * 2 * channels, channels), product(sums.data() + (unit * 2 + 1) * channels, channels);
        for (int64_t pixel = first; pixel < std::min(first + GroupMoments::kBlock, pixels); ++pixel) {
          const int64_t at = (row * pixels + pixel) * channels;
          const ConstArray from(in + at, channels), given(dy + at, channels);
          Array to(out + at, channels);
          if (silu_) {
            to = from * scale + shift;
            to = given * siluSlope(to);
          } else {
            to = given;
          }
          sum += to;
          product += to * (from - mean);
        }
      }
    });

    // dx = scale dy - along - slope (x - mean), where each group has one along and one slope.
    std::vector<float> alongs(rows * channels), slopes(rows * channels);
    const int64_t size = channels / groups_;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t group = 0; group < groups_; ++group) {
        double along = 0, slope = 0;
        const int64_t first = row * channels + group * size;
        for (int64_t block = 0; block < blocks; ++block) {
          const float* sum = sums.data() + (row * blocks + block) * 2 * channels + group * size;
          for (int64_t c = 0; c < size; ++c) {
            along += double(scales[first + c]) * sum[c];
            slope += double(scales[first + c]) * sum[channels + c];
          }
        }
        const double count = double(size) * pixels, inverse = moments.inverse[first];
        std::fill_n(alongs.data() + first, size, float(along / count));
        std::fill_n(slopes.data() + first, size, float(slope / count * inverse * inverse));
      }
    }
    parallel(context, rows * pixels, 2 * channels, [&, pixels = pixels, channels = channels](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const int64_t of = pixel / pixels * channels;
        const float *from = in + pixel * channels, *scale = scales.data() + of, *mean = moments.mean.data() + of;
        const float *along = alongs.data() + of, *slope = slopes.data() + of;
        float* to = out + pixel * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] = scale[c] * to[c] - along[c] - slope[c] * (from[c] - mean[c]);
      }
    });
  }

 private:
  int64_t groups_;
  int64_t silu_;
  float epsilon_;
};
REGISTER_KERNEL_BUILDER(Name("P2pGroupNormGradient").Device(tensorflow::DEVICE_CPU), GroupNormGradient);

// ---- Layer norm: x [..., features], weight and bias [features]

REGISTER_OP("P2pLayerNorm")
    .Input("x: float")
    .Input("weight: float")
    .Input("bias: float")
    .Attr("epsilon: float")
    .Output("y: float")
    .SetShapeFn(UnchangedShape);

class LayerNorm : public OpKernel {
 public:
  explicit LayerNorm(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const int64_t features = x.dim_size(x.dims() - 1);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    const ConstArray weight(context->input(1).flat<float>().data(), features);
    const ConstArray bias(context->input(2).flat<float>().data(), features);
    parallel(context, x.NumElements() / features, 3 * features, [&](int64_t begin, int64_t end) {
      for (int64_t vector = begin; vector < end; ++vector) {
        const ConstArray from(in + vector * features, features);
        const float mean = from.mean();
        const float inverse = 1 / std::sqrt((from - mean).square().mean() + epsilon_);
        Array(out + vector * features, features) = (from - mean) * inverse * weight + bias;
      }
    });
  }

 private:
  float epsilon_;
};
REGISTER_KERNEL_BUILDER(Name("P2pLayerNorm").Device(tensorflow::DEVICE_CPU), LayerNorm);

// ---- Its gradient: dy of y's shape -> dx

REGISTER_OP("P2pLayerNormGradient")
    .Input("x: float")
    .Input("weight: float")
    .Input("dy: float")
    .Attr("epsilon: float")
    .Output("dx: float")
    .SetShapeFn(UnchangedShape);

class LayerNormGradient : public OpKernel {
 public:
  explicit LayerNormGradient(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.shape() == context->input(2).shape(), InvalidArgumentError("dy is not of x's shape"));
    const int64_t features = x.dim_size(x.dims() - 1);
    Tensor* dx = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &dx));
    if (x.NumElements() == 0) return;
    const float *in = x.flat<float>().data(), *dy = context->input(2).flat<float>().data();
    float* out = dx->flat<float>().data();
    const ConstArray weight(context->input(1).flat<float>().data(), features);
    parallel(context, x.NumElements() / features, 6 * features, [&](int64_t begin, int64_t end) {
      for (int64_t vector = begin; vector < end; ++vector) {
        const ConstArray from(in + vector * features, features), given(dy + vector * features, features);
        const float mean = from.mean(), inverse = 1 / std::sqrt((from - mean).square().mean() + epsilon_);
        const float along = (given * weight).mean(), slope = (given * weight * (from - mean)).mean() * inverse * inverse;
        Array(out + vector * features, features) = inverse * (given * weight - along - slope * (from - mean));
      }
    });
  }

 private:
  float epsilon_;
};
REGISTER_KERNEL_BUILDER(Name("P2pLayerNormGradient").Device(tensorflow::DEVICE_CPU), LayerNormGradient);

// ---- x sigmoid(slope x): SiLU with a slope of 1, CLIP's approximation of gelu with 1.702

REGISTER_OP("P2pSilu").Input("x: float").Attr("slope: float").Output("y: float").SetShapeFn(UnchangedShape);

class Silu : public OpKernel {
 public:
  explicit Silu(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("slope", &slope_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    // The same pieces for each picture, because the last numbers of a piece are not computed in packets.
    const int64_t rows = x.dims() > 1 ? x.dim_size(0) : 1, each = x.NumElements() / rows, pieces = parts(each, kPiece);
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    parallel(context, rows * pieces, 8 * std::min(each, kPiece), [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t within = piece % pieces * kPiece, first = piece / pieces * each + within, count = std::min(kPiece, each - within);
        const ConstArray from(in + first, count);
        Array(out + first, count) = from / (1 + (-slope_ * from).exp());
      }
    });
  }

 private:
  static constexpr int64_t kPiece = 4096;

  float slope_;
};
REGISTER_KERNEL_BUILDER(Name("P2pSilu").Device(tensorflow::DEVICE_CPU), Silu);

// ---- Softmax over the last axis: logits [..., numbers]

REGISTER_OP("P2pSoftmax").Input("logits: float").Output("y: float").SetShapeFn(UnchangedShape);

class Softmax : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& logits = context->input(0);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, logits.shape(), &y));
    if (logits.NumElements() == 0) return;
    const int64_t size = logits.dims() > 0 ? logits.dim_size(logits.dims() - 1) : 1;
    const float* in = logits.flat<float>().data();
    float* out = y->flat<float>().data();
    parallel(context, logits.NumElements() / size, 8 * size, [&](int64_t begin, int64_t end) {
      for (int64_t vector = begin; vector < end; ++vector) softmax(in + vector * size, size, out + vector * size);
    });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pSoftmax").Device(tensorflow::DEVICE_CPU), Softmax);

// ---- A gated feed-forward's gate: x [..., 2 features] -> first half times gelu(second half) [..., features]

REGISTER_OP("P2pGeglu").Input("x: float").Output("y: float").SetShapeFn(UnknownShape);

class Geglu : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const int64_t features = x.dim_size(x.dims() - 1) / 2;
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, features);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    if (y->NumElements() == 0) return;
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    parallel(context, y->NumElements() / features, 16 * features, [&](int64_t begin, int64_t end) {
      for (int64_t vector = begin; vector < end; ++vector) {
        const ConstArray value(in + vector * 2 * features, features);
        const ConstArray gate(in + (vector * 2 + 1) * features, features);
        Array(out + vector * features, features) = value * gate * (0.5f + 0.5f * (gate * float(M_SQRT1_2)).erf());
      }
    });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pGeglu").Device(tensorflow::DEVICE_CPU), Geglu);

// ---- Its gradient: dy of y's shape -> dx

REGISTER_OP("P2pGegluGradient").Input("x: float").Input("dy: float").Output("dx: float").SetShapeFn(UnchangedShape);

class GegluGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    const int64_t features = x.dim_size(x.dims() - 1) / 2;
    OP_REQUIRES(context, x.NumElements() == 2 * context->input(1).NumElements(), InvalidArgumentError("dy is not of y's shape"));
    Tensor* dx = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &dx));
    if (x.NumElements() == 0) return;
    const float *in = x.flat<float>().data(), *dy = context->input(1).flat<float>().data();
    float* out = dx->flat<float>().data();
    parallel(context, x.NumElements() / (2 * features), 48 * features, [&](int64_t begin, int64_t end) {
      for (int64_t vector = begin; vector < end; ++vector) {
        const ConstArray value(in + vector * 2 * features, features), gate(in + (vector * 2 + 1) * features, features);
        const ConstArray given(dy + vector * features, features);
        Array forValue(out + vector * 2 * features, features), forGate(out + (vector * 2 + 1) * features, features);
        forValue = 0.5f + 0.5f * (gate * float(M_SQRT1_2)).erf();
        forGate = given * value * (forValue + gate * (gate.square() * -0.5f).exp() * float(M_SQRT1_2 * M_2_SQRTPI / 2));
        forValue *= given * gate;
      }
    });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pGegluGradient").Device(tensorflow::DEVICE_CPU), GegluGradient);

// The location of the heads' vectors in [rows, heads, vectors, numbers].
template <typename Number>
auto headsIn(Number* data, const Tensor& tensor) {
  return [data, vectors = tensor.dim_size(2), size = tensor.dim_size(3)](int64_t map) { return Vectors<Number>{data + map * vectors * size, size}; };
}
auto heads(const Tensor& tensor) { return headsIn(tensor.flat<float>().data(), tensor); }
auto heads(Tensor& tensor) { return headsIn(tensor.flat<float>().data(), tensor); }

// ---- Attention: q [rows, heads, queries, size], k and v [rows, heads, keys, size] -> [rows, heads, queries, size]

REGISTER_OP("P2pAttention").Input("q: float").Input("k: float").Input("v: float").Output("y: float").SetShapeFn(UnchangedShape);

class Attention : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &q = context->input(0), &k = context->input(1), &v = context->input(2);
    OP_REQUIRES(context, q.dims() == 4 && k.dims() == 4 && k.shape() == v.shape() && q.dim_size(0) == k.dim_size(0) &&
                             q.dim_size(1) == k.dim_size(1) && q.dim_size(3) == k.dim_size(3) && k.dim_size(2) > 0,
                InvalidArgumentError("q, k and v do not belong together"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, q.shape(), &y));
    if (q.NumElements() == 0) return;
    const HeadSizes sizes = {q.dim_size(0) * q.dim_size(1), q.dim_size(2), k.dim_size(2), q.dim_size(3)};
    byProducts(sizes, q.dim_size(1), [&](auto attend) { attend.All(context, sizes, false, heads(q), heads(k), heads(v), heads(*y)); });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pAttention").Device(tensorflow::DEVICE_CPU), Attention);

// ---- Its first step, q k^T / sqrt(size): q [rows, heads, queries, size], k [rows, heads, keys, size] -> [rows, heads, queries, keys]

REGISTER_OP("P2pAttentionLogits").Input("q: float").Input("k: float").Output("logits: float").SetShapeFn(UnknownShape);

class AttentionLogits : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &q = context->input(0), &k = context->input(1);
    OP_REQUIRES(context, q.dims() == 4 && k.dims() == 4 && q.dim_size(0) == k.dim_size(0) && q.dim_size(1) == k.dim_size(1) && q.dim_size(3) == k.dim_size(3),
                InvalidArgumentError("q and k do not belong together"));
    const HeadSizes sizes = {q.dim_size(0) * q.dim_size(1), q.dim_size(2), k.dim_size(2), q.dim_size(3)};
    Tensor* logits = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({q.dim_size(0), q.dim_size(1), sizes.queries, sizes.keys}), &logits));
    if (logits->NumElements() == 0) return;
    byProducts(sizes, q.dim_size(1), [&](auto attend) { attend.Logits(context, sizes, heads(q), heads(k), heads(*logits)); });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pAttentionLogits").Device(tensorflow::DEVICE_CPU), AttentionLogits);

// ---- Its last step: probs [rows, heads, queries, keys], v [rows, heads, keys, size] -> [rows, heads, queries, size]

REGISTER_OP("P2pAttentionValues").Input("probs: float").Input("v: float").Output("y: float").SetShapeFn(UnknownShape);

class AttentionValues : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &probs = context->input(0), &v = context->input(1);
    OP_REQUIRES(context, probs.dims() == 4 && v.dims() == 4 && probs.dim_size(0) == v.dim_size(0) && probs.dim_size(1) == v.dim_size(1) && probs.dim_size(3) == v.dim_size(2) &&
                             v.dim_size(2) > 0,
                InvalidArgumentError("probabilities and values do not belong together"));
    const HeadSizes sizes = {v.dim_size(0) * v.dim_size(1), probs.dim_size(2), v.dim_size(2), v.dim_size(3)};
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({v.dim_size(0), v.dim_size(1), sizes.queries, sizes.size}), &y));
    if (y->NumElements() == 0) return;
    byProducts(sizes, v.dim_size(1), [&](auto attend) { attend.Values(context, sizes, heads(probs), heads(v), heads(*y)); });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pAttentionValues").Device(tensorflow::DEVICE_CPU), AttentionValues);

// ---- Self-attention: qkv [rows, tokens, 3 x heads x size] -> [rows, tokens, heads x size]

REGISTER_OP("P2pSelfAttention").Input("qkv: float").Attr("heads: int").Attr("causal: int").Output("y: float").SetShapeFn(UnknownShape);

class SelfAttention : public OpKernel {
 public:
  explicit SelfAttention(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("heads", &heads_));
    OP_REQUIRES_OK(construction, construction->GetAttr("causal", &causal_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& qkv = context->input(0);
    OP_REQUIRES(context, qkv.dims() == 3 && qkv.dim_size(2) % (3 * heads_) == 0, InvalidArgumentError("queries, keys and values of heads of one size"));
    const int64_t rows = qkv.dim_size(0), tokens = qkv.dim_size(1), features = qkv.dim_size(2) / 3, size = features / heads_;
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows, tokens, features}), &y));
    if (y->NumElements() == 0) return;
    const auto heads = [this, tokens, size](auto* data, int64_t step) {
      return [=](int64_t map) { return Vectors<std::remove_pointer_t<decltype(data)>>{data + map / heads_ * tokens * step + map % heads_ * size, step}; };
    };
    const float* all = qkv.flat<float>().data();
    const HeadSizes sizes = {rows * heads_, tokens, tokens, size};
    byProducts(sizes, heads_, [&](auto attend) {
      attend.All(context, sizes, causal_, heads(all, 3 * features), heads(all + features, 3 * features), heads(all + 2 * features, 3 * features),
                 heads(y->flat<float>().data(), features));
    });
  }

 private:
  int64_t heads_;
  int64_t causal_;
};
REGISTER_KERNEL_BUILDER(Name("P2pSelfAttention").Device(tensorflow::DEVICE_CPU), SelfAttention);

// ---- Its gradient: dy of y's shape -> dqkv of qkv's

REGISTER_OP("P2pSelfAttentionGradient").Input("qkv: float").Input("dy: float").Attr("heads: int").Attr("causal: int").Output("dqkv: float").SetShapeFn(UnchangedShape);

class SelfAttentionGradient : public OpKernel {
 public:
  explicit SelfAttentionGradient(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("heads", &heads_));
    OP_REQUIRES_OK(construction, construction->GetAttr("causal", &causal_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &qkv = context->input(0), &dy = context->input(1);
    OP_REQUIRES(context, qkv.dims() == 3 && qkv.dim_size(2) % (3 * heads_) == 0 && dy.shape() == TensorShape({qkv.dim_size(0), qkv.dim_size(1), qkv.dim_size(2) / 3}),
                InvalidArgumentError("queries, keys and values of heads of one size, and the gradient for what attention makes of them"));
    Tensor* dqkv = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, qkv.shape(), &dqkv));
    if (qkv.NumElements() == 0) return;
    const int64_t tokens = qkv.dim_size(1), features = qkv.dim_size(2) / 3, size = features / heads_;
    const auto vectors = [&](auto* data, int64_t step, int64_t map) { return Vectors<std::remove_pointer_t<decltype(data)>>{data + map / heads_ * tokens * step + map % heads_ * size, step}; };
    const float *all = qkv.flat<float>().data(), *given = dy.flat<float>().data();
    float* to = dqkv->flat<float>().data();
    parallel(context, qkv.dim_size(0) * heads_, 2 * tokens * tokens * size, [&](int64_t begin, int64_t end) {
      for (int64_t map = begin; map < end; ++map) {
        const auto part = [&](auto* data, int64_t number) { return vectors(data + number * features, 3 * features, map); };
        attentionGradient({1, tokens, tokens, size}, causal_, {part(all, 0), part(all, 1), part(all, 2), vectors(given, features, map)}, {part(to, 0), part(to, 1), part(to, 2)});
      }
    });
  }

 private:
  int64_t heads_;
  int64_t causal_;
};
REGISTER_KERNEL_BUILDER(Name("P2pSelfAttentionGradient").Device(tensorflow::DEVICE_CPU), SelfAttentionGradient);

}  // namespace p2p
