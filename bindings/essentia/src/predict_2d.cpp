// SPDX-License-Identifier: AGPL-3.0-or-later

#include "predict_2d.h"

#include <algorithm>

namespace essentia {
namespace standard {

const char* SleevePredict2D::name = "SleevePredict2D";
const char* SleevePredict2D::category = "Machine Learning";
const char* SleevePredict2D::description = DOC(
    "This algorithm gives the predictions of a head, a small model that takes the embeddings of another, for each row "
    "of a matrix of embeddings.\n"
    "\n"
    "It replaces TensorflowPredict2D and has its parameters; those that the head itself defines are accepted and "
    "ignored. A possible pipeline is as follows::\n"
    "\n"
    "  MonoLoader(sampleRate=16000, resampleQuality=4) >> SleevePredict(model='embeddings.onnx', "
    "output='embeddings') >> SleevePredict2D(model='head.onnx')\n"
    "\n"
    "A matrix without rows gives no predictions.\n"
    "\n"
    "The algorithm throws an exception if the head cannot be opened (when it is configured), if there is none, if the "
    "length of the rows is not that of its input (when it computes), and if a value is not finite.\n"
    "\n"
    "References:\n"
    "  [1] Supported models at https://essentia.upf.edu/models/\n");

SleevePredict2D::SleevePredict2D() : _network("SleevePredict2D", sleeve_essentia::Input::Embeddings) {
  declareInput(_signal, "signal", "the input features: an embedding in each row");
  declareOutput(_predictions, "predictions", "the values of the head's output for each embedding");
}

void SleevePredict2D::declareParameters() {
  for (const sleeve_essentia::Declaration& parameter : sleeve_essentia::predict2DParameters()) {
    declareParameter(parameter.name, parameter.description, parameter.range, parameter.value);
  }
}

void SleevePredict2D::configure() { _network.configure(*this, true); }

void SleevePredict2D::compute() {
  const TNT::Array2D<Real>& signal = _signal.get();
  std::vector<std::vector<Real> >& predictions = _predictions.get();
  const sleeve::Extractor& extractor = _network.extractor();
  predictions.clear();
  if (signal.dim1() == 0) return;
  const long hop = std::max(1, parameter("patchHopSize").toInt());
  const std::size_t dim = static_cast<std::size_t>(signal.dim2());
  // Copied, because rows may be views into a larger array, and some may be skipped.
  std::vector<Real> values;
  std::size_t count = 0;
  for (long row = 0; row < signal.dim1(); row += hop, ++count) {
    const Real* first = signal[static_cast<int>(row)];
    values.insert(values.end(), first, first + dim);
  }
  try {
    const sleeve::Analysis analysis = extractor.run_embeddings(values, count, dim);
    const sleeve::Matrix rows = analysis.output(_network.output());
    predictions.resize(rows.rows());
    for (std::size_t i = 0; i < rows.rows(); ++i) predictions[i].assign(rows.row(i).begin(), rows.row(i).end());
  } catch (const sleeve::Error& error) {
    _network.fail(error);
  }
}

}  // namespace standard

namespace streaming {

SleevePredict2D::SleevePredict2D()
    : _network("SleevePredict2D", sleeve_essentia::Input::Embeddings), _hop(1), _skip(0) {
  declareInput(_features, 1, "features", "the input features: embeddings, one after the other");
  declareOutput(_predictions, 1, "predictions", "the values of the head's output for each embedding");
}

void SleevePredict2D::declareParameters() {
  for (const sleeve_essentia::Declaration& parameter : sleeve_essentia::predict2DParameters()) {
    declareParameter(parameter.name, parameter.description, parameter.range, parameter.value);
  }
}

void SleevePredict2D::configure() {
  _hop = std::max(1, parameter("patchHopSize").toInt());
  _skip = 0;
  _network.configure(*this, true);
}

void SleevePredict2D::reset() {
  Algorithm::reset();
  _skip = 0;
}

AlgorithmStatus SleevePredict2D::process() {
  const sleeve::Extractor& extractor = _network.extractor();
  if (_features.available() < 1) return NO_INPUT;
  if (_skip > 0) {
    if (!_features.acquire(1)) return NO_INPUT;
    _features.release(1);
    --_skip;
    return OK;
  }
  if (!_predictions.acquire(1)) return NO_OUTPUT;
  if (!_features.acquire(1)) return NO_INPUT;
  const std::vector<Real>& features = *static_cast<const std::vector<Real>*>(_features.getFirstToken());
  try {
    const sleeve::Analysis analysis = extractor.run_embeddings(features, 1, features.size());
    const sleeve::Span<const float> row = analysis.output(_network.output()).row(0);
    static_cast<std::vector<Real>*>(_predictions.getFirstToken())->assign(row.begin(), row.end());
  } catch (const sleeve::Error& error) {
    _network.fail(error);
  }
  _predictions.release(1);
  _features.release(1);
  _skip = _hop - 1;
  return OK;
}

}  // namespace streaming
}  // namespace essentia
