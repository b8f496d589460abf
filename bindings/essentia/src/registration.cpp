// SPDX-License-Identifier: AGPL-3.0-or-later

#include <algorithm>
#include <string>
#include <vector>

#include <essentia/algorithmfactory.h>
#include <essentia/essentia.h>
#include <sleeve_essentia.h>

#include "input_musicnn.h"
#include "predict.h"
#include "predict_2d.h"

namespace sleeve_essentia {

namespace {

template <typename Factory>
bool has(const char* name) {
  const std::vector<std::string> keys = Factory::keys();
  return std::find(keys.begin(), keys.end(), name) != keys.end();
}

// Essentia warns when an algorithm is registered twice.
template <typename Standard, typename Streaming>
void add() {
  using essentia::standard::AlgorithmFactory;
  using StreamingFactory = essentia::streaming::AlgorithmFactory;
  if (!has<AlgorithmFactory>(Standard::name)) AlgorithmFactory::Registrar<Standard>();
  if (!has<StreamingFactory>(Standard::name)) StreamingFactory::Registrar<Streaming, Standard>();
}

}  // namespace

void registerAlgorithms() {
  if (!essentia::isInitialized()) {
    throw essentia::EssentiaException("sleeve_essentia::registerAlgorithms: call essentia::init() first");
  }
  add<essentia::standard::SleeveInputMusiCNN, essentia::streaming::SleeveInputMusiCNN>();
  add<essentia::standard::SleevePredict, essentia::streaming::SleevePredict>();
  add<essentia::standard::SleevePredict2D, essentia::streaming::SleevePredict2D>();
}

}  // namespace sleeve_essentia
