// A TensorFlow operation that reads a network's parameters, many at once, from files straight into their final memory, in one pass: widened
// to float32 or as stored, and in TensorFlow's layout. src/node/native/readParameters.ts calls it.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "parallel.h"
#include "tensorflow/core/framework/allocator.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace p2p {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using absl::InvalidArgumentError;

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

// Asks the system to map all pages of a range at once, for reading or writing; otherwise the first access to each causes a page fault.
// Returns whether it succeeded.
bool Populate(const void* data, int64_t bytes, int advice) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const auto begin = reinterpret_cast<uintptr_t>(data), from = begin / page * page;
  return madvise(reinterpret_cast<void*>(from), begin + bytes - from, advice) == 0;
}

// An open file, mapped into memory, because copying it with `pread` takes longer.
class Mapping {
 public:
  explicit Mapping(int file) {
    struct stat status;
    if (fstat(file, &status) != 0 || status.st_size == 0) return;
    size_ = status.st_size;
    mapped_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
  }
  ~Mapping() {
    if (mapped_ != MAP_FAILED) munmap(mapped_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Null if the file is too short.
  const char* At(int64_t begin, int64_t bytes) const {
    return mapped_ != MAP_FAILED && begin + bytes <= size_ ? static_cast<const char*>(mapped_) + begin : nullptr;
  }

 private:
  void* mapped_ = MAP_FAILED;
  int64_t size_ = 0;
};

// Contiguous numbers in an open file, from a byte offset.
struct Stored {
  int file;
  int64_t begin, bytes;
  const char* mapped;  // or null
  int64_t share;       // its part of the tensor's last axis
};

// Asks the system to load all of them. Reading a mapped page that the file no longer has would kill the process; asking first reports the
// failure, or that it is not supported (before Linux 5.14). Those are not read through the mapping.
void Bring(OpKernelContext* context, const std::vector<Stored*>& all) {
  constexpr int64_t kMebibyte = int64_t{1} << 20;
  std::vector<std::pair<size_t, int64_t>> pieces;
  for (size_t i = 0; i < all.size(); ++i) {
    posix_fadvise(all[i]->file, all[i]->begin, all[i]->bytes, POSIX_FADV_WILLNEED);
    for (int64_t at = 0; all[i]->mapped && at < all[i]->bytes; at += kMebibyte) pieces.emplace_back(i, at);
  }
  const std::unique_ptr<std::atomic<bool>[]> lost(new std::atomic<bool>[all.size()]());
  parallel(context, pieces.size(), kMebibyte, [&](int64_t first, int64_t last) {
    for (int64_t piece = first; piece < last; ++piece) {
      const auto [i, at] = pieces[piece];
      if (!Populate(all[i]->mapped + at, std::min(kMebibyte, all[i]->bytes - at), MADV_POPULATE_READ)) lost[i] = true;
    }
  });
  for (size_t i = 0; i < all.size(); ++i) {
    if (lost[i]) all[i]->mapped = nullptr;
  }
}

absl::Status ReadBytes(const Stored& stored, int64_t first, int64_t bytes, char* to) {
  if (stored.mapped) {
    memcpy(to, stored.mapped + first, bytes);
    return absl::OkStatus();
  }
  for (int64_t done = 0; done < bytes;) {
    const ssize_t read = pread(stored.file, to + done, bytes - done, stored.begin + first + done);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return absl::UnavailableError(absl::StrCat("cannot be read: ", strerror(errno)));
    if (read == 0) return absl::DataLossError("ended while it was being read");
    done += read;
  }
  return absl::OkStatus();
}

template <typename Number>
void Widen(const void* from, int64_t count, float* to) {
  Eigen::Map<Eigen::ArrayXf>{to, count} = Eigen::Map<const Eigen::Array<Number, Eigen::Dynamic, 1>>(static_cast<const Number*>(from), count).template cast<float>();
}

// The mapped numbers from index `first` on, or null if they cannot be read there.
template <typename Number>
const Number* Mapped(const Stored& stored, int64_t first) {
  return stored.mapped && reinterpret_cast<uintptr_t>(stored.mapped) % alignof(Number) == 0 ? reinterpret_cast<const Number*>(stored.mapped) + first : nullptr;
}

// Reads `count` numbers from index `first` on. Returns the error, if any.
template <typename Number>
absl::Status ReadNumbers(const Stored& stored, int64_t first, int64_t count, float* to) {
  if constexpr (std::is_same_v<Number, float>) return ReadBytes(stored, first * sizeof(float), count * sizeof(float), reinterpret_cast<char*>(to));
  if (const Number* const mapped = Mapped<Number>(stored, first)) {
    Widen<Number>(mapped, count, to);
    return absl::OkStatus();
  }
  constexpr int64_t kPiece = 8192;
  alignas(64) char piece[kPiece * sizeof(Number)];
  for (int64_t done = 0; done < count; done += kPiece) {
    const int64_t size = std::min(kPiece, count - done);
    const absl::Status status = ReadBytes(stored, (first + done) * sizeof(Number), size * sizeof(Number), piece);
    if (!status.ok()) return status;
    Widen<Number>(piece, size, to + done);
  }
  return absl::OkStatus();
}

// Allocates directly from the system. TensorFlow's own allocator first fills a table for everything it may ever allocate in a region: for a
// large model, hundreds of MiB on one thread.
class Memory : public tensorflow::Allocator {
 public:
  // It outlives all tensors.
  static Memory* Get() {
    static Memory* const memory = new Memory;
    return memory;
  }
  std::string Name() override { return "p2p"; }
  void* AllocateRaw(size_t alignment, size_t bytes) override { return std::aligned_alloc(alignment, parts(bytes, alignment) * alignment); }
  void DeallocateRaw(void* data) override { std::free(data); }
};

// The first error on any of the threads.
class Outcome {
 public:
  void Add(size_t tensor, const absl::Status& status) {
    if (status.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status_.ok()) status_ = absl::Status(status.code(), absl::StrCat("tensor ", tensor, " ", status.message()));
  }
  const absl::Status& status() const { return status_; }

 private:
  std::mutex mutex_;
  absl::Status status_;
};

using Packet = Eigen::internal::packet_traits<float>::type;
constexpr int kSize = Eigen::internal::unpacket_traits<Packet>::size;

void Store(const Packet& numbers, float* to) { Eigen::internal::pstoreu(to, numbers); }
void Store(const Packet& numbers, Eigen::half* to) {
  float wide[kSize];
  Store(numbers, wide);
  Eigen::Map<Eigen::Array<Eigen::half, kSize, 1>>{to} = Eigen::Map<const Eigen::Array<float, kSize, 1>>(wide).cast<Eigen::half>();
}
// Without the processor's conversion, which would flush the smallest numbers to 0; they are already bfloat16, so nothing needs rounding.
void Store(const Packet& numbers, Eigen::bfloat16* to) {
  uint32_t wide[kSize];
  Eigen::internal::pstoreu(reinterpret_cast<float*>(wide), numbers);
  for (int i = 0; i < kSize; ++i) to[i] = Eigen::numext::bit_cast<Eigen::bfloat16>(static_cast<uint16_t>(wide[i] >> 16));
}

// Writes `height` stored rows of `width` numbers each, `apart` apart, as columns: number [i, j] goes to rows[j][first + i].
template <typename Kept>
void Transpose(const float* from, int64_t apart, int64_t height, int64_t width, Kept* const* rows, int64_t first) {
  constexpr int64_t kAhead = 64;  // Numbers prefetched ahead: with so many rows, the processor does not prefetch them itself.
  const int64_t packedHeight = height / kSize * kSize, packedWidth = width / kSize * kSize;
  for (int64_t j = 0; j < packedWidth; j += kSize) {
    for (int64_t i = 0; i < height && j + kAhead < width; ++i) __builtin_prefetch(from + i * apart + j + kAhead);
    for (int64_t i = 0; i < packedHeight; i += kSize) {
      Eigen::internal::PacketBlock<Packet, kSize> block;
      for (int n = 0; n < kSize; ++n) block.packet[n] = Eigen::internal::ploadu<Packet>(from + (i + n) * apart + j);
      Eigen::internal::ptranspose(block);
      for (int n = 0; n < kSize; ++n) Store(block.packet[n], rows[j + n] + first + i);
    }
  }
  for (int64_t j = 0; j < width; ++j) {
    for (int64_t i = j < packedWidth ? packedHeight : 0; i < height; ++i) rows[j][first + i] = static_cast<Kept>(from[i * apart + j]);
  }
}

// tensors [count, 6]: for each, whether it is transposed, its number of axes, and up to four sizes.
// parts [any, 5]: for each, its tensor; an open file's descriptor; the byte offset of the numbers, as whole GiB and the rest; and its share
// of the tensor's last axis, along which parts are side by side. If transposed, what is stored is [share, ...] of a tensor's [..., share], a
// convolution's (four axes) as OIHW for HWIO; otherwise there is one part, stored as it is.
// Numbers become `kept`: float32, or what they are stored as. Errors name "tensor N".

REGISTER_OP("P2pRead")
    .Input("tensors: int32")
    .Input("parts: int32")
    .Attr("stored: {float, half, bfloat16}")
    .Attr("kept: {float, half, bfloat16}")
    .Attr("count: int >= 1")
    .Output("y: count * kept")
    .SetShapeFn(tensorflow::shape_inference::UnknownShape);

template <typename Number, typename Kept>
class Read : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &tensors = context->input(0), &parts = context->input(1);
    OP_REQUIRES(context, tensors.dims() == 2 && tensors.dim_size(0) == num_outputs() && tensors.dim_size(1) == 6 && parts.dims() == 2 && parts.dim_size(1) == 5,
                InvalidArgumentError("tensors are not six numbers each, and parts five"));
    std::vector<Wanted> all(num_outputs());
    std::map<int, Mapping> files;
    std::vector<Stored*> stored;
    for (size_t i = 0; i < all.size(); ++i) OP_REQUIRES_OK(context, Allocate(context, tensors.matrix<int32_t>(), i, all[i]));
    for (int64_t i = 0; i < parts.dim_size(0); ++i) OP_REQUIRES_OK(context, Place(parts.matrix<int32_t>(), i, files, all));
    for (Wanted& wanted : all) {
      int64_t shares = 0;
      for (Stored& part : wanted.parts) {
        shares += part.share;
        stored.push_back(&part);
      }
      OP_REQUIRES(context, shares == wanted.step && (wanted.transposed || wanted.parts.size() == 1), InvalidArgumentError("the parts do not make up the whole"));
    }
    Bring(context, stored);
    Make(context, all);
  }

 private:
  using Rows = tensorflow::TTypes<int32_t>::ConstMatrix;

  struct Wanted {
    Kept* y;
    bool transposed;
    int64_t numbers, step, kernel, inputs;  // `step` is the last axis' size
    std::vector<Stored> parts;
  };

  // Numbers that a thread handles at a time: newly mapped memory is then still in its processor's cache when the numbers are written.
  static constexpr int64_t kPiece = int64_t{1} << 17;
  static constexpr int64_t kEven = 16;    // Rounding of numbers and channels, so that packets and cache lines are whole.
  static constexpr int64_t kHeight = 32;  // Stored rows transposed at a time.

  absl::Status Allocate(OpKernelContext* context, const Rows& tensors, size_t i, Wanted& wanted) const {
    TensorShape shape;
    const int32_t axes = tensors(i, 1);
    if (axes < 1 || axes > 4) return InvalidArgumentError("a tensor has one to four axes");
    for (int32_t axis = 0; axis < axes; ++axis) TF_RETURN_IF_ERROR(shape.AddDimWithStatus(tensors(i, 2 + axis)));
    Tensor y(Memory::Get(), tensorflow::DataTypeToEnum<Kept>::value, shape);
    if (!y.IsInitialized()) return absl::ResourceExhaustedError(absl::StrCat("there is no memory for ", shape.DebugString()));
    context->set_output(i, y);
    const int64_t step = shape.dim_size(axes - 1), kernel = axes == 4 ? shape.dim_size(0) * shape.dim_size(1) : 1;
    wanted = {y.flat<Kept>().data(), tensors(i, 0) != 0, y.NumElements(), step, kernel, axes == 1 ? 1 : y.NumElements() / std::max<int64_t>(1, step * kernel), {}};
    return absl::OkStatus();
  }

  static absl::Status Place(const Rows& parts, int64_t i, std::map<int, Mapping>& files, std::vector<Wanted>& all) {
    if (parts(i, 0) < 0 || parts(i, 0) >= static_cast<int64_t>(all.size())) return InvalidArgumentError("there is no such tensor");
    Wanted& wanted = all[parts(i, 0)];
    const int file = parts(i, 1);
    const int64_t begin = (int64_t{parts(i, 2)} << 30) + parts(i, 3), share = parts(i, 4);
    const int64_t bytes = wanted.numbers / std::max<int64_t>(1, wanted.step) * share * sizeof(Number);
    wanted.parts.push_back({file, begin, bytes, files.try_emplace(file, file).first->second.At(begin, bytes), share});
    return absl::OkStatus();
  }

  // A unit of work: numbers of a plain tensor, or input channels of a transposed one.
  struct Piece {
    size_t tensor;
    int64_t first, count;
  };

  static void Make(OpKernelContext* context, const std::vector<Wanted>& all) {
    std::vector<Piece> pieces;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].numbers == 0) continue;
      const int64_t total = all[i].transposed ? all[i].inputs : all[i].numbers, count = parts(all[i].numbers, kPiece);
      const int64_t atOnce = parts(parts(total, count), kEven) * kEven;
      for (int64_t first = 0; first < total; first += atOnce) pieces.push_back({i, first, std::min(atOnce, total - first)});
    }
    Outcome outcome;
    parallel(context, pieces.size(), 4 * kPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Wanted& wanted = all[pieces[i].tensor];
        outcome.Add(pieces[i].tensor, wanted.transposed ? Turn(wanted, pieces[i]) : Copy(wanted, pieces[i]));
      }
    });
    OP_REQUIRES_OK(context, outcome.status());
  }

  static absl::Status Copy(const Wanted& wanted, const Piece& piece) {
    Kept* const to = wanted.y + piece.first;
    Populate(to, piece.count * sizeof(Kept), MADV_POPULATE_WRITE);
    if constexpr (std::is_same_v<Kept, float>) return ReadNumbers<Number>(wanted.parts[0], piece.first, piece.count, to);
    else return ReadBytes(wanted.parts[0], piece.first * sizeof(Kept), piece.count * sizeof(Kept), reinterpret_cast<char*>(to));
  }

  // Writes whole rows of y, which are columns of the stored tensor.
  static absl::Status Turn(const Wanted& wanted, const Piece& piece) {
    const int64_t kernel = wanted.kernel, inputs = wanted.inputs, step = wanted.step;
    const int64_t columns = inputs * kernel, left = piece.first * kernel, width = piece.count * kernel;
    // Rows are padded a little, because a cache can hold only a few addresses that are a power of two apart.
    const int64_t apart = width + 16;
    std::unique_ptr<float[]> numbers;
    std::vector<Kept*> rows(width);
    for (int64_t j = 0; j < width; ++j) rows[j] = wanted.y + ((left + j) % kernel * inputs + (left + j) / kernel) * step;
    for (int64_t k = 0; k < kernel; ++k) Populate(wanted.y + (k * inputs + piece.first) * step, piece.count * step * sizeof(Kept), MADV_POPULATE_WRITE);
    int64_t column = 0;
    for (const Stored& part : wanted.parts) {
      for (int64_t top = 0; top < part.share; top += kHeight) {
        const int64_t height = std::min<int64_t>(kHeight, part.share - top);
        if constexpr (std::is_same_v<Number, float>) {
          if (const float* const mapped = Mapped<float>(part, top * columns + left)) {
            Transpose(mapped, columns, height, width, rows.data(), column + top);
            continue;
          }
        }
        if (!numbers) numbers.reset(new float[kHeight * apart]);
        for (int64_t i = 0; i < height; ++i) TF_RETURN_IF_ERROR(ReadNumbers<Number>(part, (top + i) * columns + left, width, numbers.get() + i * apart));
        Transpose(numbers.get(), apart, height, width, rows.data(), column + top);
      }
      column += part.share;
    }
    return absl::OkStatus();
  }
};

#define REGISTER(number, kept) \
  REGISTER_KERNEL_BUILDER(Name("P2pRead").Device(tensorflow::DEVICE_CPU).TypeConstraint<number>("stored").TypeConstraint<kept>("kept"), Read<number, kept>)
REGISTER(float, float);
REGISTER(Eigen::half, float);
REGISTER(Eigen::half, Eigen::half);
REGISTER(Eigen::bfloat16, float);
REGISTER(Eigen::bfloat16, Eigen::bfloat16);
#undef REGISTER

}  // namespace p2p
