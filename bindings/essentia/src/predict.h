// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Computes one vector for each patch of a signal.

#ifndef SLEEVE_ESSENTIA_PREDICT_H
#define SLEEVE_ESSENTIA_PREDICT_H

#include <cstddef>
#include <memory>
#include <vector>

#include <essentia/algorithm.h>
#include <essentia/streaming/streamingalgorithm.h>
#include <sleeve/sleeve.hpp>

#include "network.h"
#include "parameters.h"

namespace essentia {
namespace standard {

class SleevePredict : public Algorithm {
 protected:
  Input<std::vector<Real> > _signal;
  Output<std::vector<std::vector<Real> > > _predictions;

  sleeve_essentia::Network _network;
  unsigned _sampleRate;

 public:
  SleevePredict();

  void declareParameters();
  void configure();
  void compute();

  static const char* name;
  static const char* category;
  static const char* description;
};

}  // namespace standard

namespace streaming {

class SleevePredict : public Algorithm {
 protected:
  Sink<Real> _signal;
  Source<std::vector<Real> > _predictions;

  sleeve_essentia::Network _network;
  unsigned _sampleRate;
  bool _accumulate;

  // The current recording: one of the library's streams, or all of its samples if patches wait for its end.
  std::unique_ptr<sleeve::Stream> _stream;
  std::vector<Real> _held;
  std::unique_ptr<sleeve::Analysis> _analysis;
  std::size_t _row;    // the next row of _analysis to give
  bool _waiting;       // a row was read from the stream, but the output was full
  bool _done;          // the signal has ended, and all rows were given

 public:
  SleevePredict();

  void declareParameters();
  void configure();
  AlgorithmStatus process();
  void reset();

 private:
  void clear();
  void consume(int samples);
  void finish();
  bool give();
  bool giveFromStream();
  bool giveFromAnalysis();
  bool put(sleeve::Span<const float> row);
};

}  // namespace streaming
}  // namespace essentia

#endif  // SLEEVE_ESSENTIA_PREDICT_H
