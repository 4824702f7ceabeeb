// A TensorFlow operation that reads a network's parameters from files straight into the memory in which they stay: widened to float32, and
// laid out as TensorFlow has them, in one pass. src/node/native/readParameters.ts calls it.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

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

// Has the system make all pages of a piece of memory at once, to be read or written: else it is interrupted for each, when it is first
// looked at. Returns whether it did.
bool Populate(const void* data, int64_t bytes, int advice) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const auto begin = reinterpret_cast<uintptr_t>(data), from = begin / page * page;
  return madvise(reinterpret_cast<void*>(from), begin + bytes - from, advice) == 0;
}

// Some bytes of an open file where the system keeps them: to have them copied out by it (`pread`) takes longer.
class Mapping {
 public:
  Mapping(OpKernelContext* context, int file, int64_t begin, int64_t bytes) {
    struct stat status;
    if (fstat(file, &status) != 0 || begin + bytes > status.st_size) return;
    const int64_t from = begin / sysconf(_SC_PAGESIZE) * sysconf(_SC_PAGESIZE);
    size_ = begin + bytes - from;
    posix_fadvise(file, begin, bytes, POSIX_FADV_WILLNEED);
    mapped_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, from);
    if (mapped_ == MAP_FAILED) return;
    // Who looks at what a file no longer has is ended by the system. So it is asked to bring everything first, and says if it cannot.
    std::atomic<bool> there = true;
    parallel(context, (size_ + kMebibyte - 1) / kMebibyte, kMebibyte, [&](int64_t first, int64_t last) {
      const int64_t at = first * kMebibyte;
      if (!Populate(static_cast<const char*>(mapped_) + at, std::min(last * kMebibyte, size_) - at, MADV_POPULATE_READ)) there = false;
    });
    if (there) data_ = static_cast<const char*>(mapped_) + (begin - from);
  }
  ~Mapping() {
    if (mapped_ != MAP_FAILED) munmap(mapped_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Nothing where the file is shorter, or the system cannot do it (before Linux 5.14).
  const char* data() const { return data_; }

 private:
  static constexpr int64_t kMebibyte = int64_t{1} << 20;

  void* mapped_ = MAP_FAILED;
  int64_t size_ = 0;
  const char* data_ = nullptr;
};

// Numbers of a type in an open file, `count` of them, one behind the other from a byte on.
template <typename Stored>
class StoredNumbers {
 public:
  StoredNumbers(OpKernelContext* context, int file, int64_t begin, int64_t count)
      : file_(file), begin_(begin), mapping_(std::make_shared<Mapping>(context, file, begin, count * sizeof(Stored))) {}

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

// Writes `height` stored rows of `width` numbers each, `apart` apart, as columns: number [i, j] goes to rows[j][first + i].
void Transpose(const float* from, int64_t apart, int64_t height, int64_t width, float* const* rows, int64_t first) {
  using Packet = Eigen::internal::packet_traits<float>::type;
  constexpr int kSize = Eigen::internal::unpacket_traits<Packet>::size;
  const int64_t packedHeight = height / kSize * kSize, packedWidth = width / kSize * kSize;
  for (int64_t j = 0; j < packedWidth; j += kSize) {
    for (int64_t i = 0; i < packedHeight; i += kSize) {
      Eigen::internal::PacketBlock<Packet, kSize> block;
      for (int n = 0; n < kSize; ++n) block.packet[n] = Eigen::internal::ploadu<Packet>(from + (i + n) * apart + j);
      Eigen::internal::ptranspose(block);
      for (int n = 0; n < kSize; ++n) Eigen::internal::pstoreu(rows[j + n] + first + i, block.packet[n]);
    }
  }
  for (int64_t j = 0; j < width; ++j) {
    for (int64_t i = j < packedWidth ? packedHeight : 0; i < height; ++i) rows[j][first + i] = from[i * apart + j];
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
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &y));
    Outcome outcome;
    if (y->NumElements() > 0 && transposed_) Transposed(context, parts, *y, outcome);
    if (y->NumElements() > 0 && !transposed_) Plain(context, Numbers(context, parts, 0, y->NumElements()), *y, outcome);
    OP_REQUIRES_OK(context, outcome.status());
  }

 private:
  using Parts = tensorflow::TTypes<int32_t>::ConstMatrix;

  // Numbers that a thread makes in one go: their memory is still in its processor's own cache when it has been made and they are written.
  static constexpr int64_t kPiece = int64_t{1} << 17;
  static constexpr int64_t kHeight = 32;  // Stored rows that are turned at a time.

  static StoredNumbers<Stored> Numbers(OpKernelContext* context, const Parts& parts, int64_t part, int64_t count) {
    return {context, parts(part, 0), (int64_t{parts(part, 1)} << 30) + parts(part, 2), count};
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
      for (int64_t first = begin * kPiece; first < std::min(end * kPiece, total); first += kPiece) {
        const int64_t count = std::min(kPiece, total - first);
        Populate(out + first, count * sizeof(float), MADV_POPULATE_WRITE);
        outcome.Add(numbers.Read(first, count, out + first));
      }
    });
  }

  // A thread makes whole rows of y, which are columns of what is stored.
  static void Transposed(OpKernelContext* context, const Parts& parts, Tensor& y, Outcome& outcome) {
    const int64_t step = y.dim_size(y.dims() - 1), columns = y.NumElements() / step;
    const int64_t kernel = y.dims() == 4 ? y.dim_size(0) * y.dim_size(1) : 1, inputs = columns / kernel;
    std::vector<StoredNumbers<Stored>> stored;
    for (int64_t part = 0; part < parts.dimension(0); ++part) stored.push_back(Numbers(context, parts, part, parts(part, 3) * columns));
    float* const out = y.flat<float>().data();
    const int64_t threads = context->device()->tensorflow_cpu_worker_threads()->num_threads;
    const int64_t turns = (y.NumElements() + threads * kPiece - 1) / (threads * kPiece);
    const int64_t atOnce = (inputs + turns * threads - 1) / (turns * threads);  // Input channels: as many for each thread.
    parallel(context, (inputs + atOnce - 1) / atOnce, 4 * kPiece, [&](int64_t begin, int64_t end) {
      // Rows lie a little further apart than they are long, as a cache keeps few things that are a power of two apart.
      const int64_t apart = atOnce * kernel + 16;
      const std::unique_ptr<float[]> piece(new float[kHeight * apart]);
      std::vector<float*> rows;
      for (int64_t input = begin * atOnce; input < std::min(end * atOnce, inputs); input += atOnce) {
        const int64_t count = std::min(atOnce, inputs - input), left = input * kernel, width = count * kernel;
        rows.clear();
        for (int64_t j = left; j < left + width; ++j) rows.push_back(out + (j % kernel * inputs + j / kernel) * step);
        for (int64_t k = 0; k < kernel; ++k) Populate(out + (k * inputs + input) * step, count * step * sizeof(float), MADV_POPULATE_WRITE);
        int64_t column = 0;
        for (int64_t part = 0; part < parts.dimension(0); ++part) {
          for (int64_t top = 0; top < parts(part, 3); top += kHeight) {
            const int64_t height = std::min<int64_t>(kHeight, parts(part, 3) - top);
            for (int64_t i = 0; i < height; ++i) outcome.Add(stored[part].Read((top + i) * columns + left, width, piece.get() + i * apart));
            Transpose(piece.get(), apart, height, width, rows.data(), column + top);
          }
          column += parts(part, 3);
        }
      }
    });
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
