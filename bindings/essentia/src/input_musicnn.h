// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Computes the mel bands of one frame of samples.

#ifndef SLEEVE_ESSENTIA_INPUT_MUSICNN_H
#define SLEEVE_ESSENTIA_INPUT_MUSICNN_H

#include <vector>

#include <essentia/algorithm.h>
#include <essentia/streaming/streamingalgorithmwrapper.h>
#include <sleeve/sleeve.hpp>

namespace essentia {
namespace standard {

class SleeveInputMusiCNN : public Algorithm {
 protected:
  Input<std::vector<Real> > _frame;
  Output<std::vector<Real> > _bands;

  sleeve::Mel _mel;

 public:
  SleeveInputMusiCNN() {
    declareInput(_frame, "frame", "the audio frame: 512 samples at 16 kHz");
    declareOutput(_bands, "bands", "the log compressed mel bands: 96 of them");
  }

  void declareParameters() {}
  void compute();

  static const char* name;
  static const char* category;
  static const char* description;
};

}  // namespace standard

namespace streaming {

class SleeveInputMusiCNN : public StreamingAlgorithmWrapper {
 protected:
  Sink<std::vector<Real> > _frame;
  Source<std::vector<Real> > _bands;

 public:
  SleeveInputMusiCNN() {
    declareAlgorithm("SleeveInputMusiCNN");
    declareInput(_frame, TOKEN, "frame");
    declareOutput(_bands, TOKEN, "bands");
  }
};

}  // namespace streaming
}  // namespace essentia

#endif  // SLEEVE_ESSENTIA_INPUT_MUSICNN_H
