#pragma once

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/util/work_sharder.h"

namespace p2p {

// Calls work(begin, end) on parts of 0 .. total, on all of TensorFlow's threads; `cost` is that of one unit, in processor cycles.
template <typename Work>
void parallel(tensorflow::OpKernelContext* context, int64_t total, int64_t cost, Work work) {
  const auto& threads = *context->device()->tensorflow_cpu_worker_threads();
  tensorflow::Shard(threads.num_threads, threads.workers, total, cost, work);
}

// How many parts of a size make up a whole; the last may be smaller.
inline int64_t parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

}  // namespace p2p
