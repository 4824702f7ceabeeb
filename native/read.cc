// A TensorFlow operation that reads a network's parameters from files straight into the memory in which they stay: widened to float32, and
// laid out as TensorFlow has them, in one pass. src/node/native/readParameters.ts calls it.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "hugePages.h"
#include "parallel.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/tensor_util.h"

namespace p2p {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

// Some bytes of an open file where the system keeps them: to have them copied out by it (`pread`) takes about three times as long.
class Mapping {
 public:
  Mapping(int file, int64_t begin, int64_t bytes) {
    struct stat status;
    if (fstat(file, &status) != 0 || begin + bytes > status.st_size) return;
    const int64_t from = begin / sysconf(_SC_PAGESIZE) * sysconf(_SC_PAGESIZE);
    size_ = begin + bytes - from;
    posix_fadvise(file, begin, bytes, POSIX_FADV_WILLNEED);
    mapped_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, from);
    // Who looks at what a file no longer has is ended by the system. So it is asked to bring everything first, and says if it cannot.
    if (mapped_ != MAP_FAILED && madvise(mapped_, size_, MADV_POPULATE_READ) == 0) data_ = static_cast<const char*>(mapped_) + (begin - from);
  }
  ~Mapping() {
    if (mapped_ != MAP_FAILED) munmap(mapped_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Nothing where the file is shorter, or the system cannot do it (before Linux 5.14).
  const char* data() const { return data_; }

 private:
  void* mapped_ = MAP_FAILED;
  size_t size_ = 0;
  const char* data_ = nullptr;
};

// Numbers of a type in an open file, `count` of them, one behind the other from a byte on.
template <typename Stored>
class StoredNumbers {
 public:
  StoredNumbers(int file, int64_t begin, int64_t count)
      : file_(file), begin_(begin), mapping_(std::make_shared<Mapping>(file, begin, count * sizeof(Stored))) {}

  // Reads `count` numbers from the one numbered `first` on. Returns what went wrong.
  absl::Status Read(int64_t first, int64_t count, float* to) const {
    if constexpr (std::is_same_v<Stored, float>) return Bytes(first, count, reinterpret_cast<char*>(to));
    Stored piece[kPiece];
    for (int64_t done = 0; done < count; done += kPiece) {
      const int64_t size = std::min(kPiece, count - done);
      const absl::Status status = Bytes(first + done, size, reinterpret_cast<char*>(piece));
      if (!status.ok()) return status;
      Eigen::Map<Eigen::ArrayXf>(to + done, size) = Eigen::Map<const Eigen::Array<Stored, Eigen::Dynamic, 1>>(piece, size).template cast<float>();
    }
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kPiece = 8192;

  absl::Status Bytes(int64_t first, int64_t count, char* to) const {
    const int64_t from = begin_ + first * sizeof(Stored), bytes = count * sizeof(Stored);
    if (mapping_->data()) {
      memcpy(to, mapping_->data() + (from - begin_), bytes);
      return absl::OkStatus();
    }
    for (int64_t done = 0; done < bytes;) {
      const ssize_t read = pread(file_, to + done, bytes - done, from + done);
      if (read < 0 && errno == EINTR) continue;
      if (read < 0) return tensorflow::errors::Unavailable("cannot be read: ", strerror(errno));
      if (read == 0) return tensorflow::errors::DataLoss("ended while it was being read");
      done += read;
    }
    return absl::OkStatus();
  }

  int file_;
  int64_t begin_;
  std::shared_ptr<const Mapping> mapping_;
};

// What went wrong first on any of the threads.
class Outcome {
 public:
  void Add(const absl::Status& status) {
    if (status.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    status_.Update(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  std::mutex mutex_;
  absl::Status status_;
};

// Where the columns of a stored matrix become rows. `kernel` is how many columns belong to one input channel, stored side by side: in memory
// they lie a whole set of input channels apart (a convolution's OIHW -> HWIO); 1 for a matrix.
struct Rows {
  float* data;
  int64_t rows, step, kernel;

  float* At(int64_t column) const { return data + (column % kernel * (rows / kernel) + column / kernel) * step; }
};

// Writes `height` stored rows of `width` numbers each, `step` apart, as columns: number [i, j] goes to rows.At(first + j)[i].
void Transpose(const float* from, int64_t step, int64_t height, int64_t width, const Rows& rows, int64_t first) {
  using Packet = Eigen::internal::packet_traits<float>::type;
  constexpr int kSize = Eigen::internal::unpacket_traits<Packet>::size;
  const int64_t packedHeight = height / kSize * kSize, packedWidth = width / kSize * kSize;
  float* to[kSize];
  for (int64_t j = 0; j < packedWidth; j += kSize) {
    for (int n = 0; n < kSize; ++n) to[n] = rows.At(first + j + n);
    for (int64_t i = 0; i < packedHeight; i += kSize) {
      Eigen::internal::PacketBlock<Packet, kSize> block;
      for (int n = 0; n < kSize; ++n) block.packet[n] = Eigen::internal::ploadu<Packet>(from + (i + n) * step + j);
      Eigen::internal::ptranspose(block);
      for (int n = 0; n < kSize; ++n) Eigen::internal::pstoreu(to[n] + i, block.packet[n]);
    }
    for (int64_t i = packedHeight; i < height; ++i) {
      for (int n = 0; n < kSize; ++n) to[n][i] = from[i * step + j + n];
    }
  }
  for (int64_t j = packedWidth; j < width; ++j) {
    float* const at = rows.At(first + j);
    for (int64_t i = 0; i < height; ++i) at[i] = from[i * step + j];
  }
}

// parts [count, 4]: each an open file's descriptor; the byte in it where the numbers begin, as how many GiB and the rest; and its share of
// y's last axis, along which the parts lie side by side. shape: y's. If transposed, what is stored is [share, ...] of y's [..., share], a
// convolution's (four axes) as OIHW for HWIO; otherwise there is one part, stored as it is.

REGISTER_OP("P2pRead")
    .Input("parts: int32")
    .Input("shape: int32")
    .Attr("stored: {float, half, bfloat16}")
    .Attr("transposed: int")
    .Output("y: float")
    .SetShapeFn(tensorflow::shape_inference::UnknownShape);

template <typename Stored>
class Read : public OpKernel {
 public:
  explicit Read(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("transposed", &transposed_));
  }

  void Compute(OpKernelContext* context) override {
    OP_REQUIRES(context, context->input(0).dims() == 2 && context->input(0).dim_size(1) == 4, InvalidArgument("parts are not four numbers each"));
    const auto parts = context->input(0).matrix<int32_t>();
    TensorShape shape;
    OP_REQUIRES_OK(context, tensorflow::tensor::MakeShape(context->input(1), &shape));
    OP_REQUIRES(context, shape.dims() > 0 && Shares(parts) == shape.dim_size(shape.dims() - 1) && (transposed_ || parts.dimension(0) == 1),
                InvalidArgument("the parts do not make up the whole"));
    Tensor y(HugePages::Get(), tensorflow::DT_FLOAT, shape);
    OP_REQUIRES(context, y.IsInitialized(), tensorflow::errors::ResourceExhausted("there is no memory for it"));
    Populate(context, y);
    Outcome outcome;
    if (y.NumElements() > 0 && transposed_) Transposed(context, parts, y, outcome);
    if (y.NumElements() > 0 && !transposed_) Plain(context, Numbers(parts, 0, y.NumElements()), y, outcome);
    OP_REQUIRES_OK(context, outcome.status());
    context->set_output(0, y);
  }

 private:
  using Parts = tensorflow::TTypes<int32_t>::ConstMatrix;

  static constexpr int64_t kPiece = int64_t{1} << 18;  // Numbers that a thread reads in one go.
  static constexpr int64_t kHeight = 32, kWidth = 4096;  // Of a stored matrix, what is turned in a processor's own cache: half a MiB.

  // Has the system find the memory in a few calls: when it is first written to, it would be asked for page by page. It may refuse.
  static void Populate(OpKernelContext* context, const Tensor& y) {
    constexpr int64_t kBytes = int64_t{1} << 20;
    const int64_t page = sysconf(_SC_PAGESIZE);
    const auto begin = (reinterpret_cast<uintptr_t>(y.data()) + page - 1) / page * page;
    const int64_t bytes = reinterpret_cast<uintptr_t>(y.data()) + y.TotalBytes() - begin;
    parallel(context, (bytes + kBytes - 1) / kBytes, kBytes, [&](int64_t first, int64_t last) {
      madvise(reinterpret_cast<void*>(begin + first * kBytes), std::min(last * kBytes, bytes) - first * kBytes, MADV_POPULATE_WRITE);
    });
  }

  static StoredNumbers<Stored> Numbers(const Parts& parts, int64_t part, int64_t count) {
    return {parts(part, 0), (int64_t{parts(part, 1)} << 30) + parts(part, 2), count};
  }

  static int64_t Shares(const Parts& parts) {
    int64_t sum = 0;
    for (int64_t part = 0; part < parts.dimension(0); ++part) sum += parts(part, 3);
    return sum;
  }

  static void Plain(OpKernelContext* context, const StoredNumbers<Stored>& numbers, Tensor& y, Outcome& outcome) {
    float* const out = y.flat<float>().data();
    const int64_t total = y.NumElements();
    parallel(context, (total + kPiece - 1) / kPiece, kPiece, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kPiece;
      outcome.Add(numbers.Read(first, std::min(end * kPiece, total) - first, out + first));
    });
  }

  // A piece of a part's stored matrix.
  struct Band {
    StoredNumbers<Stored> numbers;
    int64_t top, height, left, width;
    int64_t column;  // Where its first row comes to lie in y's last axis.
  };

  static void Transposed(OpKernelContext* context, const Parts& parts, Tensor& y, Outcome& outcome) {
    const int64_t step = y.dim_size(y.dims() - 1), width = y.NumElements() / step;
    const int64_t kernel = y.dims() == 4 ? y.dim_size(0) * y.dim_size(1) : 1;
    const Rows whole{y.flat<float>().data(), width, step, kernel};
    const std::vector<Band> bands = Bands(parts, width);
    parallel(context, bands.size(), kHeight * std::min(width, kWidth), [&](int64_t begin, int64_t end) {
      // Rows lie a little further apart than they are long, as a cache keeps few things that are a power of two apart.
      constexpr int64_t kStep = kWidth + 16;
      const std::unique_ptr<float[]> piece(new float[kHeight * kStep]);
      for (int64_t unit = begin; unit < end; ++unit) {
        const Band& band = bands[unit];
        for (int64_t i = 0; i < band.height; ++i) {
          outcome.Add(band.numbers.Read((band.top + i) * width + band.left, band.width, piece.get() + i * kStep));
        }
        Transpose(piece.get(), kStep, band.height, band.width, {whole.data + band.column, width, step, kernel}, band.left);
      }
    });
  }

  static std::vector<Band> Bands(const Parts& parts, int64_t width) {
    std::vector<Band> bands;
    int64_t column = 0;
    for (int64_t part = 0; part < parts.dimension(0); ++part) {
      const int64_t height = parts(part, 3);
      const StoredNumbers<Stored> numbers = Numbers(parts, part, height * width);
      for (int64_t top = 0; top < height; top += kHeight) {
        for (int64_t left = 0; left < width; left += kWidth) {
          bands.push_back({numbers, top, std::min(kHeight, height - top), left, std::min(kWidth, width - left), column + top});
        }
      }
      column += height;
    }
    return bands;
  }

  int64_t transposed_;
};

#define REGISTER(type) \
  REGISTER_KERNEL_BUILDER(Name("P2pRead").Device(tensorflow::DEVICE_CPU).TypeConstraint<type>("stored"), Read<type>)
REGISTER(float);
REGISTER(Eigen::half);
REGISTER(Eigen::bfloat16);
#undef REGISTER

}  // namespace p2p
