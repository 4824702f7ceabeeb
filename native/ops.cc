// TensorFlow operations for what a diffusion network does between its convolutions and matrix products, each in as few passes over
// memory as it takes. `p2p native install` compiles them into tfjs-node's addon, for the processor of the machine it runs on;
// src/node/native/kernels.ts calls them. Tensors are float32, channels last.

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "attention.h"
#include "inner.h"
#include "parallel.h"
#include "product.h"
#include "splitProduct.h"
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

// How many numbers each picture of a batch has.
int64_t each(const Tensor& x) { return x.NumElements() / std::max<int64_t>(1, x.dim_size(0)); }

template <typename Values>
auto silu(const Values& x) {
  return x / (1 + (-x).exp());
}

// A node that adds a bias to what it computes of two other inputs.
tensorflow::NodeDef biased(const char* op, bool labelled) {
  tensorflow::NodeDef biased = node(op, labelled);
  set(biased, "num_args", 1);
  set(biased, "fused_ops", std::vector<std::string>{"BiasAdd"});
  return biased;
}

// ---- A convolution with bias: x [rows, height, width, in], filter [height, width, in, out], bias [out]; with so many zeros above and left
// of the pictures (before), and below and right (after)

REGISTER_OP("P2pConv2D")
    .Input("x: float")
    .Input("filter: float")
    .Input("bias: float")
    .Attr("stride: int")
    .Attr("before: int")
    .Attr("after: int")
    .Output("y: float")
    .SetShapeFn(UnknownShape);

class Conv2D : public OpKernel {
 public:
  explicit Conv2D(OpKernelConstruction* construction) : OpKernel(construction), winograd_(construction) {
    int stride = 1, before = 0, after = 0;
    OP_REQUIRES_OK(construction, construction->GetAttr("stride", &stride));
    OP_REQUIRES_OK(construction, construction->GetAttr("before", &before));
    OP_REQUIRES_OK(construction, construction->GetAttr("after", &after));
    padded_ = stride == 1 && before == 1 && after == 1;
    unpadded_ = stride == 1 && before == 0 && after == 0;
    std::vector<tensorflow::NodeDef> nodes{biased("_MklNativeFusedConv2D", true), biased("_FusedConv2D", false)};
    for (tensorflow::NodeDef& node : nodes) {
      set(node, "strides", std::vector<int>{1, stride, stride, 1});
      set(node, "padding", before + after > 0 ? "EXPLICIT" : "VALID");
      if (before + after > 0) set(node, "explicit_paddings", std::vector<int>{0, 0, before, after, before, after, 0, 0});
    }
    set(nodes[1], "TArgs", std::vector<tensorflow::DataType>{tensorflow::DT_FLOAT});
    convolve_.emplace(construction, 3, nodes);
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &filter = context->input(1), &bias = context->input(2);
    OP_REQUIRES(context, x.dims() == 4 && filter.dims() == 4 && x.dim_size(3) == filter.dim_size(2) && bias.NumElements() == filter.dim_size(3),
                InvalidArgument("x has not the channels that the filter takes"));
    if (padded_ && Winograd::Pays(x, filter)) return winograd_.Compute(context, x, filter, bias);
    if (unpadded_ && filter.dim_size(0) == 1 && filter.dim_size(1) == 1 && SplitProduct::Pays(each(x) * filter.dim_size(3))) {
      return Multiply(context, x, filter, bias);
    }
    Tensor y;
    OP_REQUIRES_OK(context, convolve_->Compute(context, {x, filter, bias}, y));
    context->set_output(0, y);
  }

 private:
  // Each pixel by itself.
  static void Multiply(OpKernelContext* context, const Tensor& x, const Tensor& filter, const Tensor& bias) {
    const int64_t in = filter.dim_size(2), out = filter.dim_size(3);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {x.dim_size(0), x.dim_size(1), x.dim_size(2), out}, &y));
    SplitProduct::Compute(context, {1, x.NumElements() / in, in, out}, x.flat<float>().data(), filter.flat<float>().data(), bias.flat<float>().data(), y->flat<float>().data());
  }

  bool padded_, unpadded_;
  std::optional<Inner> convolve_;
  Winograd winograd_;
};
REGISTER_KERNEL_BUILDER(Name("P2pConv2D").Device(tensorflow::DEVICE_CPU), Conv2D);

// ---- A linear layer: x [..., in], weight [in, out], bias [out] or none -> [..., out]

REGISTER_OP("P2pLinear")
    .Input("x: float")
    .Input("weight: float")
    .Input("bias: biases * float")
    .Attr("biases: int >= 0")
    .Output("y: float")
    .SetShapeFn(UnknownShape);

class Linear : public OpKernel {
 public:
  explicit Linear(OpKernelConstruction* construction)
      : OpKernel(construction), multiply_(construction, construction->num_inputs(), construction->num_inputs() > 2 ? WithBias() : Without()) {}

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &weight = context->input(1);
    OP_REQUIRES(context, x.dims() > 0 && weight.dims() == 2 && x.dim_size(x.dims() - 1) == weight.dim_size(0) && weight.dim_size(0) > 0,
                InvalidArgument("x has not the features that the weight takes"));
    const int64_t in = weight.dim_size(0), out = weight.dim_size(1), rows = x.NumElements() / in;
    const Tensor* bias = context->num_inputs() > 2 ? &context->input(2) : nullptr;
    OP_REQUIRES(context, !bias || bias->NumElements() == out, InvalidArgument("the bias has not the features that the weight gives"));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, out);
    const bool split = x.dims() > 2 && SplitProduct::Pays(each(x) * out);
    if (rows > kFewRows && !split) return Many(context, TensorShape({rows, in}), shape);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    const float *added = bias ? bias->flat<float>().data() : nullptr, *from = x.flat<float>().data(), *by = weight.flat<float>().data();
    if (split) SplitProduct::Compute(context, {1, rows, in, out}, from, by, added, y->flat<float>().data());
    else Product::Compute(context, {rows, in, out}, from, by, added, y->flat<float>().data());
  }

 private:
  static constexpr int64_t kFewRows = 512;  // with more, oneDNN's product takes 0.7 to 1.4 times as long as ours

  static std::vector<tensorflow::NodeDef> WithBias() { return {biased("_MklNativeFusedMatMul", true), biased("_FusedMatMul", false)}; }
  static std::vector<tensorflow::NodeDef> Without() { return {node("_MklMatMul", true), node("MatMul", false)}; }

  void Many(OpKernelContext* context, const TensorShape& rows, const TensorShape& shape) {
    std::vector<Tensor> inputs(1);
    CHECK(inputs[0].CopyFrom(context->input(0), rows));
    for (int i = 1; i < context->num_inputs(); ++i) inputs.push_back(context->input(i));
    Tensor product, y;
    OP_REQUIRES_OK(context, multiply_.Compute(context, inputs, product));
    OP_REQUIRES(context, y.CopyFrom(product, shape), InvalidArgument("not of as many numbers"));
    context->set_output(0, y);
  }

  Inner multiply_;
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
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    parallel(context, x.NumElements(), 8, [&](int64_t begin, int64_t end) {
      const ConstArray from(in + begin, end - begin);
      Array(out + begin, end - begin) = from / (1 + (-slope_ * from).exp());
    });
  }

 private:
  float slope_;
};
REGISTER_KERNEL_BUILDER(Name("P2pSilu").Device(tensorflow::DEVICE_CPU), Silu);

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
    const int64_t queries = q.dim_size(2), keys = k.dim_size(2), size = q.dim_size(3);
    const auto heads = [size](auto* data, int64_t vectors) {
      return [=](int64_t map) { return Vectors<std::remove_pointer_t<decltype(data)>>{data + map * vectors * size, size}; };
    };
    attend(context, {q.dim_size(0) * q.dim_size(1), queries, keys, size}, q.dim_size(1), false, heads(q.flat<float>().data(), queries), heads(k.flat<float>().data(), keys),
           heads(v.flat<float>().data(), keys), heads(y->flat<float>().data(), queries));
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pAttention").Device(tensorflow::DEVICE_CPU), Attention);

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
    attend(context, {rows * heads_, tokens, tokens, size}, heads_, causal_, heads(all, 3 * features), heads(all + features, 3 * features),
           heads(all + 2 * features, 3 * features), heads(y->flat<float>().data(), features));
  }

 private:
  int64_t heads_;
  int64_t causal_;
};
REGISTER_KERNEL_BUILDER(Name("P2pSelfAttention").Device(tensorflow::DEVICE_CPU), SelfAttention);

}  // namespace p2p
