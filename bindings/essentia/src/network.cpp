// SPDX-License-Identifier: AGPL-3.0-or-later

#include "network.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <vector>

#include "parameters.h"

namespace sleeve_essentia {

namespace {

// The library's maximum; larger batches are not faster.
constexpr int MAX_BATCH = 4096;

bool endsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The file in the parameters; empty if there is none.
std::string fileOf(const essentia::Configurable& parameters) {
  const std::string model = text(parameters, "model");
  const std::string graph = text(parameters, "graphFilename");
  if (!model.empty() || graph.empty()) return model;
  if (endsWith(graph, ".pb")) {
    const std::string onnx = graph.substr(0, graph.size() - 3) + ".onnx";
    if (std::ifstream(onnx).good()) return onnx;
  }
  // A .pb without its .onnx is opened too, for the error message that names the missing file.
  return graph;
}

// The names to try for a tensor, with and without `:0`: users of TensorFlow often omit it, and some ONNX graphs do not
// have it.
std::vector<std::string> spellings(const std::string& output) {
  std::vector<std::string> names{output};
  if (endsWith(output, ":0")) {
    names.push_back(output.substr(0, output.size() - 2));
  } else if (output.find(':') == std::string::npos) {
    names.push_back(output + ":0");
  }
  return names;
}

}  // namespace

void Network::configure(const essentia::Configurable& parameters, bool whole) {
  _whole = whole;
  // After an error below no model is open, so that an algorithm never runs an earlier one.
  _extractor.reset();
  const std::string file = fileOf(parameters);
  if (file.empty()) return;
  try {
    const std::string frontEnd = _input == Input::Audio ? text(parameters, "frontEnd") : "";
    const sleeve::Model model = frontEnd.empty() ? sleeve::Model::open(file) : sleeve::Model::open_as(file, frontEnd);
    if (model.is_head() != (_input == Input::Embeddings)) {
      fail(file + (model.is_head() ? ": a head, which takes embeddings, not audio; use SleevePredict2D instead"
                                   : ": takes audio, not embeddings; use SleevePredict instead"));
    }
    choose(parameters, model);
    if (model.sample_rate() != 0) _modelRate = model.sample_rate();
  } catch (const sleeve::Error& error) {
    fail(error);
  }
}

sleeve::Options Network::options(const essentia::Configurable& parameters, const sleeve::Model& model) const {
  sleeve::Options options;
  options.device(text(parameters, "device")).precision(text(parameters, "precision"));
  options.threads(static_cast<std::size_t>(parameters.parameter("threads").toInt()));
  const int batch = parameters.parameter("batchSize").toInt();
  if (batch > 0) options.batch_size(static_cast<std::size_t>(std::min(batch, MAX_BATCH)));
  if (_input == Input::Embeddings) return options;
  options.last_patch(text(parameters, "lastPatchMode")).resampler(text(parameters, "resampler"));
  options.level(text(parameters, "level"));
  options.normalise(_whole && parameters.parameter("normalize").toBool());
  const bool isCrepe = model.front_end() == "crepe";
  const essentia::Real milliseconds = parameters.parameter("hopSize").toReal();
  if (milliseconds != 0) {
    const double frames = milliseconds / 10.0;
    if (!isCrepe) fail("hopSize is a parameter of CREPE's models; patchHopSize is that of others");
    if (frames < 1 || frames != std::floor(frames) || frames > 65536) {
      fail("hopSize must be a multiple of 10 milliseconds");
    }
    options.patch_hop(static_cast<std::size_t>(frames));
    return options;
  }
  const int hop = parameters.parameter("patchHopSize").toInt();
  if (hop > 0) options.patch_hop(static_cast<std::size_t>(hop));
  if (hop == 0) {
    std::size_t frames = 0, bands = 0;
    sleeve::detail::check(sleeve_model_input(model.get(), &frames, &bands)).value();
    options.patch_hop(frames);
  }
  return options;
}

void Network::choose(const essentia::Configurable& parameters, const sleeve::Model& model) {
  const std::string output = text(parameters, "output");
  if (!output.empty()) {
    // Report the error for the name as given.
    std::unique_ptr<sleeve::Error> refused;
    for (const std::string& name : spellings(output)) {
      auto made = sleeve::Extractor::try_new(model, options(parameters, model).output(name));
      if (made) {
        _extractor = std::make_unique<sleeve::Extractor>(std::move(*made));
        _output = 0;
        return;
      }
      if (!refused) refused = std::make_unique<sleeve::Error>(made.error());
    }
    throw *refused;
  }
  _extractor = std::make_unique<sleeve::Extractor>(model, options(parameters, model));
  const std::vector<sleeve::Output> outputs = _extractor->outputs();
  _output = 0;
  for (const sleeve_purpose purpose : {SLEEVE_PURPOSE_EMBEDDINGS, SLEEVE_PURPOSE_PREDICTIONS}) {
    for (std::size_t index = outputs.size(); index-- > 0;) {
      if (outputs[index].purpose == purpose) _output = index;
    }
  }
}

const sleeve::Extractor& Network::extractor() const {
  if (!_extractor) fail("no model is open; set the parameter `model`");
  return *_extractor;
}

void Network::fail(const sleeve::Error& error) const { fail(std::string(error.what())); }

void Network::fail(const std::string& reason) const {
  throw essentia::EssentiaException(std::string(_algorithm) + ": " + reason);
}

}  // namespace sleeve_essentia
