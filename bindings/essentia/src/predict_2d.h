// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Computes a head's predictions from embeddings.

#ifndef SLEEVE_ESSENTIA_PREDICT_2D_H
#define SLEEVE_ESSENTIA_PREDICT_2D_H

#include <vector>

#include <essentia/algorithm.h>
#include <essentia/streaming/streamingalgorithm.h>
#include <essentia/utils/tnt/tnt_array2d.h>

#include "network.h"
#include "parameters.h"

namespace essentia {
namespace standard {

class SleevePredict2D : public Algorithm {
 protected:
  Input<TNT::Array2D<Real> > _signal;
  Output<std::vector<std::vector<Real> > > _predictions;

  sleeve_essentia::Network _network;

 public:
  SleevePredict2D();

  void declareParameters();
  void configure();
  void compute();

  static const char* name;
  static const char* category;
  static const char* description;
};

}  // namespace standard

namespace streaming {

class SleevePredict2D : public Algorithm {
 protected:
  Sink<std::vector<Real> > _features;
  Source<std::vector<Real> > _predictions;

  sleeve_essentia::Network _network;
  int _hop;
  int _skip;  // embeddings to skip before the next prediction

 public:
  SleevePredict2D();

  void declareParameters();
  void configure();
  AlgorithmStatus process();
  void reset();
};

}  // namespace streaming
}  // namespace essentia

#endif  // SLEEVE_ESSENTIA_PREDICT_2D_H
