// SPDX-License-Identifier: AGPL-3.0-or-later
//
// A model as the algorithms run it: opened as their parameters say, with one output chosen.

#ifndef SLEEVE_ESSENTIA_NETWORK_H
#define SLEEVE_ESSENTIA_NETWORK_H

#include <cstddef>
#include <memory>
#include <string>

#include <essentia/configurable.h>
#include <essentia/types.h>
#include <sleeve/sleeve.hpp>

namespace sleeve_essentia {

// What a network takes.
enum class Input { Audio, Embeddings };

class Network {
 public:
  // `algorithm` is the name that errors begin with.
  Network(const char* algorithm, Input input) : _algorithm(algorithm), _input(input), _output(0) {}

  // Opens what the parameters name, or nothing where they name no model. A failure leaves nothing open and throws
  // EssentiaException with file and reason.
  void configure(const essentia::Configurable& parameters);

  // The model, ready to run; throws EssentiaException where none is open.
  const sleeve::Extractor& extractor() const;

  // The index, in the extractor's order, of the output that was chosen.
  std::size_t output() const { return _output; }

  // The library's error as Essentia's.
  [[noreturn]] void fail(const sleeve::Error& error) const;
  [[noreturn]] void fail(const std::string& reason) const;

 private:
  sleeve::Options options(const essentia::Configurable& parameters, const sleeve::Model& model) const;
  void choose(const essentia::Configurable& parameters, const sleeve::Model& model);

  const char* _algorithm;
  Input _input;
  std::unique_ptr<sleeve::Extractor> _extractor;
  std::size_t _output;
};

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_NETWORK_H
