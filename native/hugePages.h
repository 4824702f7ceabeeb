#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>

#include "tensorflow/core/framework/allocator.h"

namespace p2p {

// Memory for what stays as long as a network does. The system gives it out in pages of 2 MiB where it has them, as asking for a model's
// gigabytes 4 KiB at a time takes longer than reading the model. Tensors lie one behind the other in blocks; a block is given back when
// the last of its tensors goes.
class HugePages : public tensorflow::Allocator {
 public:
  static HugePages* Get() {
    static HugePages* const pages = new HugePages();
    return pages;
  }

  std::string Name() override { return "p2p_huge_pages"; }

  void* AllocateRaw(size_t alignment, size_t bytes) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto block = blocks_.find(current_);
    if (block == blocks_.end() || RoundUp(block->second.used, alignment) + bytes > block->second.size) {
      block = Map(std::max(bytes, kBlock));
      if (block == blocks_.end()) return nullptr;
    }
    Block& in = block->second;
    char* const place = block->first + RoundUp(in.used, alignment);
    in.used = place + bytes - block->first;
    ++in.tensors;
    return place;
  }

  void DeallocateRaw(void* place) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto block = std::prev(blocks_.upper_bound(static_cast<char*>(place)));
    if (--block->second.tensors > 0) return;
    munmap(block->second.mapped, block->second.size + kPage);
    blocks_.erase(block);
  }

 private:
  static constexpr size_t kPage = size_t{2} << 20, kBlock = size_t{256} << 20;

  struct Block {
    void* mapped;  // One page more than `size`, to begin where a page begins; what is never written to takes no memory.
    size_t size;
    size_t used;
    int64_t tensors;
  };
  using Blocks = std::map<char*, Block>;

  static size_t RoundUp(size_t value, size_t step) { return (value + step - 1) / step * step; }

  // Makes a block the current one. Returns the end if there is no memory.
  Blocks::iterator Map(size_t bytes) {
    const size_t size = RoundUp(bytes, kPage);
    void* const mapped = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return blocks_.end();
    current_ = reinterpret_cast<char*>(RoundUp(reinterpret_cast<uintptr_t>(mapped), kPage));
    madvise(current_, size, MADV_HUGEPAGE);  // Where it is refused, pages are small.
    if (!Quick(current_)) madvise(current_, size, MADV_NOHUGEPAGE);
    return blocks_.emplace(current_, Block{mapped, size, 0, 0}).first;
  }

  // Whether the system gives a page out as fast as it can write zeros to it. A virtual machine may have to ask its host for a large
  // page first, when it has small ones at hand that others gave back.
  static bool Quick(char* page) {
    const auto start = std::chrono::steady_clock::now();
    *page = 0;
    return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1);
  }

  std::mutex mutex_;
  Blocks blocks_;  // By their first byte.
  char* current_ = nullptr;
};

}  // namespace p2p
