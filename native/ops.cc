// TensorFlow operations for what a diffusion network computes, each in as few passes over memory as it takes. `p2p native install` compiles them into tfjs-node's addon, for the processor of the machine it runs on;
// src/node/native/kernels.ts calls them. Tensors are float32, channels last.

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention.h"
#include "convolution.h"
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
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::UnchangedShape;
using tensorflow::shape_inference::UnknownShape;

using Array = Eigen::Map<Eigen::ArrayXf>;
using ConstArray = Eigen::Map<const Eigen::ArrayXf>;

template <typename Values>
auto silu(const Values& x) {
  return x / (1 + (-x).exp());
}

// ---- A convolution with bias: x [rows, height, width, in], filter [height, width, in, out], bias [out]; with so many zeros above and left
// of the pictures (before), and below and right (after)

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
                InvalidArgument("x has not the channels that the filter takes"));
    if (winograd_ && Winograd::Pays(x, filter)) Winograd::Compute(context, x, filter, bias);
    else Convolution::Compute(context, x, filter, bias, attributes_);
  }

 private:
  Convolution::Attributes attributes_;
  bool winograd_;
};
REGISTER_KERNEL_BUILDER(Name("P2pConv2D").Device(tensorflow::DEVICE_CPU), Conv2D);

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
                InvalidArgument("x has not the features that the weight takes"));
    const int64_t in = weight.dim_size(0), out = weight.dim_size(1), rows = x.NumElements() / in;
    const Tensor* bias = context->num_inputs() > 2 ? &context->input(2) : nullptr;
    OP_REQUIRES(context, !bias || bias->NumElements() == out, InvalidArgument("the bias has not the features that the weight gives"));
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

// ---- Group norm: x [rows, ..., channels], weight and bias [channels]; then SiLU if told

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
    const int64_t rows = x.dim_size(0);
    const int64_t channels = x.dim_size(x.dims() - 1);
    OP_REQUIRES(context, channels % groups_ == 0, InvalidArgument("channels do not fall into groups of equal size"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    const int64_t pixels = rows * channels == 0 ? 0 : x.NumElements() / (rows * channels);
    if (pixels == 0) return;
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();

    // Sums of (x - pivot) and of its square, channel by channel; the pivot, a row's first pixel, keeps the difference of the two
    // exact where the mean is far from zero.
    const int64_t blocks = (pixels + kBlock - 1) / kBlock;
    std::vector<float> sums(rows * blocks * 2 * channels, 0.0f);
    parallel(context, rows * blocks, kBlock * channels, [&](int64_t begin, int64_t end) {
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

    // y = scale x + shift, channel by channel.
    std::vector<float> scales(rows * channels), shifts(rows * channels);
    for (int64_t row = 0; row < rows; ++row) {
      Moments(in + row * pixels * channels, sums.data() + row * blocks * 2 * channels, blocks, pixels, channels,
              context->input(1).flat<float>().data(), context->input(2).flat<float>().data(),
              scales.data() + row * channels, shifts.data() + row * channels);
    }
    parallel(context, rows * pixels, channels, [&](int64_t begin, int64_t end) {
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
  static constexpr int64_t kBlock = 64;  // Pixels that are summed up in float32.

  void Moments(const float* pivot, const float* sums, int64_t blocks, int64_t pixels, int64_t channels, const float* weight,
               const float* bias, float* scale, float* shift) const {
    const int64_t size = channels / groups_;
    std::vector<double> mean(channels), meanSquare(channels);
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t c = 0; c < channels; ++c) {
        mean[c] += sums[block * 2 * channels + c] / pixels;
        meanSquare[c] += sums[(block * 2 + 1) * channels + c] / pixels;
      }
    }
    for (int64_t group = 0; group < groups_; ++group) {
      double groupMean = 0, variance = 0;
      for (int64_t c = group * size; c < (group + 1) * size; ++c) groupMean += (pivot[c] + mean[c]) / size;
      for (int64_t c = group * size; c < (group + 1) * size; ++c) {
        const double off = pivot[c] + mean[c] - groupMean;
        variance += (meanSquare[c] - mean[c] * mean[c] + off * off) / size;
      }
      const double inverse = 1 / std::sqrt(variance + epsilon_);
      for (int64_t c = group * size; c < (group + 1) * size; ++c) {
        scale[c] = weight[c] * inverse;
        shift[c] = bias[c] - groupMean * weight[c] * inverse;
      }
    }
  }

  int64_t groups_;
  int64_t silu_;
  float epsilon_;
};
REGISTER_KERNEL_BUILDER(Name("P2pGroupNorm").Device(tensorflow::DEVICE_CPU), GroupNorm);

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
    // In the same pieces for each picture, as the last numbers of a piece are computed otherwise than in packets.
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

// Where heads' vectors lie in [rows, heads, vectors, numbers].
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
                InvalidArgument("q, k and v do not belong together"));
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
                InvalidArgument("q and k do not belong together"));
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
                InvalidArgument("probabilities and values do not belong together"));
    const HeadSizes sizes = {v.dim_size(0) * v.dim_size(1), probs.dim_size(2), v.dim_size(2), v.dim_size(3)};
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({v.dim_size(0), v.dim_size(1), sizes.queries, sizes.size}), &y));
    if (y->NumElements() == 0) return;
    byProducts(sizes, v.dim_size(1), [&](auto attend) { attend.Values(context, sizes, heads(probs), heads(v), heads(*y)); });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pAttentionValues").Device(tensorflow::DEVICE_CPU), AttentionValues);

// ---- Attention of tokens to each other: qkv [rows, tokens, 3 x heads x size] -> [rows, tokens, heads x size]

REGISTER_OP("P2pSelfAttention").Input("qkv: float").Attr("heads: int").Attr("causal: int").Output("y: float").SetShapeFn(UnknownShape);

class SelfAttention : public OpKernel {
 public:
  explicit SelfAttention(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("heads", &heads_));
    OP_REQUIRES_OK(construction, construction->GetAttr("causal", &causal_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& qkv = context->input(0);
    OP_REQUIRES(context, qkv.dims() == 3 && qkv.dim_size(2) % (3 * heads_) == 0, InvalidArgument("queries, keys and values of heads of one size"));
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

}  // namespace p2p
