#include "memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <unordered_map>

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace sleeve {

#ifdef __linux__

namespace {

constexpr std::size_t PAGE = std::size_t(2) << 20;
// Smaller blocks are left to the C library, which keeps them itself.
constexpr std::size_t LEAST = std::size_t(1) << 18;

// Blocks of whole large pages, or of multiples of LEAST if smaller, directly from the system.
class Blocks {
public:
  void *take(std::size_t wanted) {
    const std::size_t unit = wanted >= PAGE ? PAGE : LEAST;
    const std::size_t size = (wanted + unit - 1) / unit * unit;
    std::lock_guard lock(mutex);
    auto fitting = unused.lower_bound(size);
    // Much larger blocks are left for larger tensors.
    if (fitting != unused.end() && fitting->first <= size + std::max(size / 4, unit)) {
      void *block = fitting->second;
      in_use += fitting->first;
      kept -= fitting->first;
      unused.erase(fitting);
      return block;
    }
    // The kept blocks do not fit, for example because batches have another size now.
    if (in_use + kept + size > most + most / 4) {
      give_back();
    }
    void *block = map(size);
    if (block == nullptr) {
      give_back();
      block = map(size);
    }
    TORCH_CHECK(block != nullptr, "no memory for a tensor of ", wanted, " bytes");
    sizes.emplace(block, size);
    in_use += size;
    most = std::max(most, in_use);
    return block;
  }

  // Keeps a block for reuse; false if it is not one of these.
  bool leave(void *block) {
    std::lock_guard lock(mutex);
    auto place = sizes.find(block);
    if (place == sizes.end()) {
      return false;
    }
    in_use -= place->second;
    kept += place->second;
    unused.emplace(place->second, block);
    return true;
  }

private:
  static void *map(std::size_t size) {
    // More than needed, so that the block can begin at a large page.
    const std::size_t extra = size >= PAGE ? PAGE : 0;
    void *all = mmap(nullptr, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
      return nullptr;
    }
    if (extra == 0) {
      return all;
    }
    const auto start = reinterpret_cast<std::uintptr_t>(all);
    const auto before = (PAGE - start % PAGE) % PAGE;
    char *block = static_cast<char *>(all) + before;
    if (before > 0) {
      munmap(all, before);
    }
    if (extra > before) {
      munmap(block + size, extra - before);
    }
    madvise(block, size, MADV_HUGEPAGE);
    return block;
  }

  void give_back() {
    for (auto [size, block] : unused) {
      sizes.erase(block);
      munmap(block, size);
    }
    unused.clear();
    kept = 0;
  }

  std::mutex mutex;
  std::multimap<std::size_t, void *> unused;
  std::unordered_map<void *, std::size_t> sizes;
  std::size_t in_use = 0, kept = 0, most = 0;
};

// Never destroyed: tensors of other threads may live longer than static objects.
Blocks &blocks() {
  static auto *all = new Blocks;
  return *all;
}

void release(void *data) {
  if (data != nullptr && !blocks().leave(data)) {
    c10::free_cpu(data);
  }
}

struct Keeping final : c10::Allocator {
  c10::DataPtr allocate(std::size_t size) override {
    void *data = size >= LEAST ? blocks().take(size) : c10::alloc_cpu(size);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void *to, const void *from, std::size_t count) const override { default_copy_data(to, from, count); }
};

} // namespace

void keep_memory() {
  static Keeping keeping;
  // Overrides libtorch's allocator, whose existing tensors are still freed as before.
  c10::SetCPUAllocator(&keeping, 1);
}

#else

void keep_memory() {}

#endif

} // namespace sleeve
