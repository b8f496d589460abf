// SPDX-License-Identifier: AGPL-3.0-or-later
//
// The order is such that nothing is used before it was compared: first tables of virtual functions, which are only
// read; then sizes of objects that Essentia created; then their members, through the functions that are inlined in this
// plugin; then a parameter copied and an exception thrown by Essentia.

#include "layout.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include <algorithm>
#include <complex>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <essentia/algorithm.h>
#include <essentia/streaming/streamingalgorithm.h>
#include <essentia/streaming/streamingalgorithmwrapper.h>

namespace sleeve_essentia {

// Not in an unnamed namespace, because their tables must have symbols.
namespace layout {

typedef std::vector<essentia::Real> Signal;
typedef std::vector<std::complex<essentia::Real> > Complex;

struct Configurable : essentia::Configurable {
  void declareParameters() override {}
};

// With the members of Essentia's standard::Clipper, which fill the allocated block to the last byte, so that one more
// word in any base would be noticed.
struct Standard : essentia::standard::Algorithm {
  essentia::standard::Input<Signal> input;
  essentia::standard::Output<Signal> output;
  essentia::Real max, min;
  void declareParameters() override {}
  void compute() override {}
};

struct Streaming : essentia::streaming::Algorithm {
  void declareParameters() override {}
  essentia::streaming::AlgorithmStatus process() override { return essentia::streaming::PASS; }
};

// With the members of streaming::Magnitude.
struct Wrapper : essentia::streaming::StreamingAlgorithmWrapper {
  essentia::streaming::Sink<Complex> input;
  essentia::streaming::Source<Signal> output;
};

}  // namespace layout

namespace {

// An address: the image that contains it, and its symbol with its size.
struct Place {
  const void* image = nullptr;
  std::size_t size = 0;
};

Place placeOf(const void* address) {
  Dl_info info{};
  void* extra = nullptr;
  Place place;
  if (dladdr1(address, &info, &extra, RTLD_DL_SYMENT) == 0) return place;
  place.image = info.dli_fbase;
  const ElfW(Sym)* symbol = static_cast<const ElfW(Sym)*>(extra);
  if (symbol != nullptr && info.dli_saddr == address) place.size = symbol->st_size;
  return place;
}

// The table of virtual functions of an object, which is the object's first word.
const std::uintptr_t* tableOf(const void* object) {
  return *static_cast<const std::uintptr_t* const*>(object) - 2;
}

// Compares our table with Essentia's table `symbol` of the same class.
std::string tableMismatch(void* module, const char* name, const char* symbol, const void* object) {
  const std::uintptr_t* own = tableOf(object);
  const std::uintptr_t* theirs = static_cast<const std::uintptr_t*>(dlsym(module, symbol));
  if (theirs == nullptr) return std::string("there is no table of ") + name;
  const Place ownPlace = placeOf(own), theirPlace = placeOf(theirs);
  if (ownPlace.size == 0 || ownPlace.size != theirPlace.size) {
    return std::string("the virtual functions of ") + name + " are " + std::to_string(theirPlace.size) +
           " bytes, not " + std::to_string(ownPlace.size);
  }
  for (std::size_t i = 0; i < ownPlace.size / sizeof(std::uintptr_t); ++i) {
    const Place target = placeOf(reinterpret_cast<const void*>(own[i]));
    // Functions inherited from Essentia, and offsets between bases. Our own functions cannot be compared.
    const bool comparable = target.image == nullptr || target.image == theirPlace.image;
    if (comparable && own[i] != theirs[i]) {
      return std::string("the virtual functions of ") + name + " differ at " + std::to_string(i);
    }
  }
  return "";
}

// Number of allocations to find out how much memory an allocator reserves for a size. A reused block may be larger, if
// the rest was too small to split off, but there are never so many such blocks at once.
constexpr std::size_t PIECES = 4096;

// Objects are created in groups of OBJECTS until one has no more memory than its class needs, but at most MAX, because
// each streaming algorithm also allocates buffers.
constexpr std::size_t OBJECTS = 16, MAX = 128;

// The least memory that the allocator reserves for `size` bytes.
std::size_t leastRoom(std::size_t size) {
  std::vector<void*> pieces(PIECES);
  std::size_t least = SIZE_MAX;
  for (void*& piece : pieces) {
    piece = std::malloc(size);
    if (piece != nullptr) least = std::min(least, malloc_usable_size(piece));
  }
  for (void* piece : pieces) std::free(piece);
  return least;
}

// Creates objects of the class `name` with Essentia's function `symbol` and compares their size with that of our class.
// Objects of another size are leaked, because their destructors must not be called either.
template <typename Base>
std::string objects(void* module, const char* name, const char* symbol, std::size_t size,
                    std::vector<std::unique_ptr<Base> >& made) {
  void* function = dlsym(module, symbol);
  if (function == nullptr) return std::string("there is no ") + name + " to compare with";
  const std::size_t expected = leastRoom(size);
  std::vector<Base*> theirs;
  std::size_t found = SIZE_MAX;
  do {
    for (std::size_t i = 0; i < OBJECTS; ++i) {
      theirs.push_back(reinterpret_cast<Base* (*)()>(function)());
      found = std::min(found, malloc_usable_size(theirs.back()));
    }
  } while (found > expected && theirs.size() < MAX);
  if (found != expected) {
    return std::string("an object of ") + name + " has room for " + std::to_string(found) + " bytes, not " +
           std::to_string(expected);
  }
  for (Base* object : theirs) made.emplace_back(object);
  return "";
}

std::string standardMismatch(const essentia::standard::Algorithm& algorithm) {
  if (!algorithm.name().empty() || algorithm.inputNames() != std::vector<std::string>{"signal"} ||
      algorithm.outputNames() != std::vector<std::string>{"signal"} || algorithm.outputDescription.size() != 1) {
    return "the members of standard::Clipper have wrong values";
  }
  return "";
}

std::string streamingMismatch(const essentia::streaming::Algorithm& algorithm) {
  if (algorithm.name() != "Magnitude" || algorithm.inputs().size() != 1 || algorithm.outputs().size() != 1 ||
      algorithm.shouldStop()) {
    return "the members of streaming::Magnitude have wrong values";
  }
  const essentia::streaming::SinkBase& sink = *algorithm.inputs().front().second;
  const essentia::streaming::SourceBase& source = *algorithm.outputs().front().second;
  if (sink.name() != "complex" || sink.parent() != &algorithm || sink.source() != nullptr || sink.acquireSize() != 1 ||
      source.name() != "magnitude" || source.parent() != &algorithm || !source.sinks().empty() ||
      source.releaseSize() != 1 || source.bufferInfo().size != 16) {
    return "the connectors of streaming::Magnitude have wrong values";
  }
  return "";
}

std::string exceptionMismatch(essentia::standard::Algorithm& algorithm) {
  const char* const name = "nothing of this name";
  try {
    algorithm.input(name);
  } catch (const essentia::EssentiaException& error) {
    return std::strstr(error.what(), name) != nullptr ? "" : "exceptions lose their message";
  }
  return "exceptions are not caught";
}

// Lets Essentia copy one of our parameters into more memory than it needs.
std::string parameterMismatch() {
  using essentia::Parameter;
  constexpr unsigned char FILL = 0xa5;
  alignas(Parameter) unsigned char room[4 * sizeof(Parameter)];
  std::memset(room, FILL, sizeof(room));
  const Parameter original(std::string("a text that is longer than a small one"));
  Parameter* copy = new (room) Parameter(original);
  bool fits = copy->isConfigured() && copy->type() == Parameter::STRING && copy->toString() == original.toString();
  for (std::size_t i = sizeof(Parameter); i < sizeof(room); ++i) fits = fits && room[i] == FILL;
  if (!fits) return "parameters have wrong values";
  copy->~Parameter();
  return "";
}

}  // namespace

std::string layoutMismatch(const char* path) {
  void* module = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  if (module == nullptr) return std::string(path) + " is not loaded";
  std::string found;
  {
    layout::Configurable configurable{};
    layout::Streaming streaming{};
    essentia::streaming::Sink<essentia::Real> sink;
    essentia::streaming::Source<layout::Signal> source;
    const struct {
      const char* name;
      const char* symbol;
      const void* object;
    } tables[] = {
        {"Configurable", "_ZTVN8essentia12ConfigurableE", &configurable},
        {"streaming::Algorithm", "_ZTVN8essentia9streaming9AlgorithmE", &streaming},
        {"streaming::Sink", "_ZTVN8essentia9streaming4SinkIfEE", &sink},
        {"streaming::Source", "_ZTVN8essentia9streaming6SourceISt6vectorIfSaIfEEEE", &source},
    };
    for (const auto& table : tables) {
      if (found.empty()) found = tableMismatch(module, table.name, table.symbol, table.object);
    }
  }
  std::vector<std::unique_ptr<essentia::standard::Algorithm> > standard;
  std::vector<std::unique_ptr<essentia::streaming::Algorithm> > streaming;
  if (found.empty()) {
    found = objects(module, "standard::Clipper",
                    "_ZN8essentia15EssentiaFactoryINS_8standard9AlgorithmEE9RegistrarINS1_7ClipperES5_E6createEv",
                    sizeof(layout::Standard), standard);
  }
  if (found.empty()) {
    found = objects(module, "streaming::Magnitude",
                    "_ZN8essentia15EssentiaFactoryINS_9streaming9AlgorithmEE9RegistrarINS1_9MagnitudeENS_8standard"
                    "9MagnitudeEE6createEv",
                    sizeof(layout::Wrapper), streaming);
  }
  if (found.empty()) found = standardMismatch(*standard.front());
  if (found.empty()) found = streamingMismatch(*streaming.front());
  if (found.empty()) found = parameterMismatch();
  if (found.empty()) found = exceptionMismatch(*standard.front());
  dlclose(module);
  return found;
}

}  // namespace sleeve_essentia
