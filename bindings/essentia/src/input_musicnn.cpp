// SPDX-License-Identifier: AGPL-3.0-or-later

#include "input_musicnn.h"

namespace essentia {
namespace standard {

const char* SleeveInputMusiCNN::name = "SleeveInputMusiCNN";
const char* SleeveInputMusiCNN::category = "Machine Learning";
const char* SleeveInputMusiCNN::description = DOC(
    "This algorithm computes the mel bands that MusiCNN and EffnetDiscogs models need, with Sleeve's front end.\n"
    "\n"
    "It replaces TensorflowInputMusiCNN: each value is within 5e-5 of that algorithm's. A frame has 512 "
    "samples of a signal at 16 kHz; the bands are log10(1 + 10000 mel); silence gives exactly 0.\n"
    "\n"
    "Samples that are not finite give bands that are not finite.\n"
    "\n"
    "References:\n"
    "  [1] Pons, J., & Serra, X. (2019). musicnn: Pre-trained convolutional neural networks for music audio tagging. "
    "arXiv preprint arXiv:1909.06654.\n");

void SleeveInputMusiCNN::compute() {
  const std::vector<Real>& frame = _frame.get();
  std::vector<Real>& bands = _bands.get();
  if (frame.size() != SLEEVE_MEL_FRAME_SIZE) {
    throw EssentiaException("SleeveInputMusiCNN: a frame has 512 samples, not ", frame.size());
  }
  bands.resize(SLEEVE_MEL_BANDS);
  try {
    _mel.frame(frame, bands);
  } catch (const sleeve::Error& error) {
    throw EssentiaException("SleeveInputMusiCNN: ", error.what());
  }
}

}  // namespace standard
}  // namespace essentia
