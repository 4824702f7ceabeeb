// TensorFlow operations for what a diffusion network does between its convolutions and matrix products, each in as few passes over
// memory as it takes. `p2p native install` compiles them into tfjs-node's addon, for the processor of the machine it runs on;
// src/node/native/kernels.ts calls them. Tensors are float32, channels last.

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/util/work_sharder.h"
#include "unsupported/Eigen/SpecialFunctions"

namespace p2p {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::UnchangedShape;

using Array = Eigen::Map<Eigen::ArrayXf>;
using ConstArray = Eigen::Map<const Eigen::ArrayXf>;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<Matrix>;
using ConstView = Eigen::Map<const Matrix>;

// Calls work(begin, end) on parts of 0 .. total, on all of TensorFlow's threads; `cost` is of one unit, in processor cycles.
template <typename Work>
void parallel(OpKernelContext* context, int64_t total, int64_t cost, Work work) {
  const auto& threads = *context->device()->tensorflow_cpu_worker_threads();
  tensorflow::Shard(threads.num_threads, threads.workers, total, cost, work);
}

// ---- Group norm: x [rows, ..., channels], weight and bias [channels]

REGISTER_OP("P2pGroupNorm")
    .Input("x: float")
    .Input("weight: float")
    .Input("bias: float")
    .Attr("groups: int")
    .Attr("epsilon: float")
    .Output("y: float")
    .SetShapeFn(UnchangedShape);

class GroupNorm : public OpKernel {
 public:
  explicit GroupNorm(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("groups", &groups_));
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

// ---- SiLU: x sigmoid(x)

REGISTER_OP("P2pSilu").Input("x: float").Output("y: float").SetShapeFn(UnchangedShape);

class Silu : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    const float* in = x.flat<float>().data();
    float* out = y->flat<float>().data();
    parallel(context, x.NumElements(), 8, [&](int64_t begin, int64_t end) {
      const ConstArray from(in + begin, end - begin);
      Array(out + begin, end - begin) = from / (1 + (-from).exp());
    });
  }
};
REGISTER_KERNEL_BUILDER(Name("P2pSilu").Device(tensorflow::DEVICE_CPU), Silu);

// ---- A gated feed-forward's gate: x [..., 2 features] -> first half times gelu(second half) [..., features]

REGISTER_OP("P2pGeglu").Input("x: float").Output("y: float").SetShapeFn([](tensorflow::shape_inference::InferenceContext* context) {
  context->set_output(0, context->UnknownShape());
  return absl::OkStatus();
});

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

// ---- Attention: q [rows, heads, queries, size], k and v [rows, heads, keys, size] -> softmax(scale q k^T) v, as q's shape.
// In blocks of queries and keys that stay in the cache, with the softmax kept up as keys go by (Dao et al. 2022, FlashAttention).

REGISTER_OP("P2pAttention")
    .Input("q: float")
    .Input("k: float")
    .Input("v: float")
    .Attr("scale: float")
    .Output("y: float")
    .SetShapeFn(UnchangedShape);

class Attention : public OpKernel {
 public:
  explicit Attention(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("scale", &scale_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &q = context->input(0), &k = context->input(1), &v = context->input(2);
    OP_REQUIRES(context, q.dims() == 4 && k.dims() == 4 && k.shape() == v.shape() && q.dim_size(0) == k.dim_size(0) &&
                             q.dim_size(1) == k.dim_size(1) && q.dim_size(3) == k.dim_size(3) && k.dim_size(2) > 0,
                InvalidArgument("q, k and v do not belong together"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, q.shape(), &y));
    const int64_t maps = q.dim_size(0) * q.dim_size(1), queries = q.dim_size(2), keys = k.dim_size(2), size = q.dim_size(3);
    if (q.NumElements() == 0) return;
    const float *qs = q.flat<float>().data(), *ks = k.flat<float>().data(), *vs = v.flat<float>().data();
    float* out = y->flat<float>().data();

    const int64_t blocks = (queries + kQueries - 1) / kQueries;
    parallel(context, maps * blocks, kQueries * keys * (size / 4 + 4), [&](int64_t begin, int64_t end) {
      Scratch scratch;
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t map = unit / blocks, first = unit % blocks * kQueries, count = std::min(kQueries, queries - first);
        const int64_t query = (map * queries + first) * size, key = map * keys * size;
        Block(ConstView(qs + query, count, size), ConstView(ks + key, keys, size), ConstView(vs + key, keys, size),
              View(out + query, count, size), scratch);
      }
    });
  }

 private:
  static constexpr int64_t kQueries = 128, kKeys = 256;

  struct Scratch {
    Matrix queries, logits, output;
    Eigen::ArrayXf top, sum;
  };

  void Block(const ConstView& q, const ConstView& k, const ConstView& v, View y, Scratch& s) const {
    s.queries = q * scale_;
    s.output.setZero(q.rows(), q.cols());
    s.top.setConstant(q.rows(), -std::numeric_limits<float>::infinity());
    s.sum.setZero(q.rows());
    for (int64_t first = 0; first < k.rows(); first += kKeys) {
      const int64_t count = std::min<int64_t>(kKeys, k.rows() - first);
      s.logits.noalias() = s.queries * k.middleRows(first, count).transpose();
      for (int64_t query = 0; query < q.rows(); ++query) {
        auto logits = s.logits.row(query).array();
        const float top = std::max(s.top[query], logits.maxCoeff());
        const float shrink = std::exp(s.top[query] - top);
        logits = (logits - top).exp();
        s.sum[query] = s.sum[query] * shrink + logits.sum();
        if (shrink != 1) s.output.row(query) *= shrink;
        s.top[query] = top;
      }
      s.output.noalias() += s.logits * v.middleRows(first, count);
    }
    y = s.output.array().colwise() / s.sum;
  }

  float scale_;
};
REGISTER_KERNEL_BUILDER(Name("P2pAttention").Device(tensorflow::DEVICE_CPU), Attention);

}  // namespace p2p
