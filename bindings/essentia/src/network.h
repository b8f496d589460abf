// SPDX-License-Identifier: AGPL-3.0-or-later
//
// A model opened from an algorithm's parameters, with one output chosen.

#ifndef SLEEVE_ESSENTIA_NETWORK_H
#define SLEEVE_ESSENTIA_NETWORK_H

#include <cstddef>
#include <memory>
#include <string>

#include <essentia/configurable.h>
#include <essentia/types.h>
#include <sleeve/sleeve.hpp>

namespace sleeve_essentia {

// The input of a network.
enum class Input { Audio, Embeddings };

class Network {
 public:
  // Errors begin with the name `algorithm`.
  Network(const char* algorithm, Input input) : _algorithm(algorithm), _input(input), _output(0) {}

  // Opens the model of the parameters, if there is one. On failure, no model is open, and this throws EssentiaException with file
  // and reason. `whole` says that it will be given whole signals.
  void configure(const essentia::Configurable& parameters, bool whole);

  // The sample rate of a signal for which the parameters say `rate`: the model's own if that is 0.
  unsigned sampleRate(unsigned rate) const { return rate == 0 ? _modelRate : rate; }

  // The model, ready to run. Throws EssentiaException if none is open.
  const sleeve::Extractor& extractor() const;

  // The index of the chosen output, in the extractor's order.
  std::size_t output() const { return _output; }

  // Throws the library's error as an EssentiaException.
  [[noreturn]] void fail(const sleeve::Error& error) const;
  [[noreturn]] void fail(const std::string& reason) const;

 private:
  sleeve::Options options(const essentia::Configurable& parameters, const sleeve::Model& model) const;
  void choose(const essentia::Configurable& parameters, const sleeve::Model& model);

  const char* _algorithm;
  Input _input;
  std::unique_ptr<sleeve::Extractor> _extractor;
  std::size_t _output;
  unsigned _modelRate = 16000;
  bool _whole = true;
};

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_NETWORK_H
