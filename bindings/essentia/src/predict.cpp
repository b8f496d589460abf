// SPDX-License-Identifier: AGPL-3.0-or-later

#include "predict.h"

namespace essentia {
namespace standard {

const char* SleevePredict::name = "SleevePredict";
const char* SleevePredict::category = "Machine Learning";
const char* SleevePredict::description = DOC(
    "This algorithm gives the predictions or embeddings of a model for each patch of a signal, with Sleeve's engines "
    "instead of TensorFlow's.\n"
    "\n"
    "It replaces TensorflowPredictMusiCNN, -EffnetDiscogs, -MAEST, -VGGish, -TempoCNN, -FSDSINet and -CREPE and has their "
    "parameters, and it runs OpenL3. The model is read from ONNX, as published beside each TensorFlow graph, or from "
    "TorchScript; its metadata (the .json of the same stem) say which of these it is for, and describe its outputs. The "
    "recommended pipeline is as follows::\n"
    "\n"
    "  MonoLoader(sampleRate=16000, resampleQuality=4) >> SleevePredict(model='discogs-effnet-bs64-1.onnx')\n"
    "\n"
    "WARNING: THE SIGNAL MUST BE SAMPLED AT THE MODEL'S RATE (16 kHz for most), OR `inputSampleRate` MUST BE SET TO ITS "
    "RATE. An algorithm cannot detect the sample rate of its input: a signal at 44.1 kHz without `inputSampleRate` gives predictions that look "
    "plausible but are wrong.\n"
    "\n"
    "In streaming mode, a result is given as soon as the last sample of its patch has arrived, for any batch size. A "
    "clip shorter than a patch gives no result with lastPatchMode `discard`, and one with `repeat`.\n"
    "\n"
    "Number of results: for MusiCNN's frames, a signal of N samples at 16 kHz has F = 1 + ceil(N / 256) frames (none if N = 0). With patches "
    "of L frames and a hop of H there are P = 1 + floor((F - L) / H) complete patches, or P = 0 if F < L; lastPatchMode "
    "`repeat` adds one of the frames from H * P on, if there are any. "
    "TensorflowPredictEffnetDiscogs (L = 128, H = 62) omits the last frame, so it gives one patch fewer at a few "
    "lengths, and with `repeat` other values for the last patch:\n"
    "\n"
    "  samples: results here / of TensorflowPredictEffnetDiscogs\n"
    "  32256: 0 / 0\n"
    "  32257: 1 / 0\n"
    "  32513: 1 / 1\n"
    "  48384: 2 / 1\n"
    "  48385: 2 / 2\n"
    "  160000: 9 / 9\n"
    "  480000: 29 / 29\n"
    "  2880000: 180 / 180\n"
    "\n"
    "In streaming mode, TensorflowPredictEffnetDiscogs also gives no result before the first batch of 64 patches is "
    "full, after 64.5 seconds.\n"
    "\n"
    "The algorithm throws an exception if the model cannot be opened (when it is configured), if there is no model or "
    "the signal is empty (when it computes), and if a sample is not finite.\n"
    "\n"
    "References:\n"
    "  [1] Supported models at https://essentia.upf.edu/models/\n");

SleevePredict::SleevePredict() : _network("SleevePredict", sleeve_essentia::Input::Audio), _sampleRate(0) {
  declareInput(_signal, "signal", "the input audio signal sampled at the model's rate, or at inputSampleRate");
  declareOutput(_predictions, "predictions", "the values of the model's output for each patch");
}

void SleevePredict::declareParameters() {
  for (const sleeve_essentia::Declaration& parameter : sleeve_essentia::predictParameters()) {
    declareParameter(parameter.name, parameter.description, parameter.range, parameter.value);
  }
}

void SleevePredict::configure() {
  _sampleRate = sleeve_essentia::sampleRate(*this, "SleevePredict");
  _network.configure(*this, true);
}

void SleevePredict::compute() {
  const std::vector<Real>& signal = _signal.get();
  std::vector<std::vector<Real> >& predictions = _predictions.get();
  const sleeve::Extractor& extractor = _network.extractor();
  if (signal.empty()) _network.fail("empty input signal");
  try {
    const sleeve::Analysis analysis = extractor.run_samples(signal, 1, _network.sampleRate(_sampleRate));
    const sleeve::Matrix rows = analysis.output(_network.output());
    predictions.resize(rows.rows());
    for (std::size_t i = 0; i < rows.rows(); ++i) predictions[i].assign(rows.row(i).begin(), rows.row(i).end());
  } catch (const sleeve::Error& error) {
    _network.fail(error);
  }
}

}  // namespace standard

namespace streaming {

namespace {

// Samples consumed at a time: one hop of the mel frames, so that results do not wait for samples that they do not need.
constexpr int CHUNK = SLEEVE_MEL_HOP;

// Capacity of the library's queue; each chunk is processed before the next is written.
constexpr std::size_t QUEUE = 4 * CHUNK;

}  // namespace

SleevePredict::SleevePredict()
    : _network("SleevePredict", sleeve_essentia::Input::Audio), _sampleRate(0), _accumulate(false) {
  declareInput(_signal, CHUNK, "signal", "the input audio signal sampled at the model's rate, or at inputSampleRate");
  declareOutput(_predictions, 1, "predictions", "the values of the model's output for each patch");
  clear();
}

void SleevePredict::declareParameters() {
  for (const sleeve_essentia::Declaration& parameter : sleeve_essentia::predictParameters()) {
    declareParameter(parameter.name, parameter.description, parameter.range, parameter.value);
  }
}

void SleevePredict::configure() {
  clear();
  _sampleRate = sleeve_essentia::sampleRate(*this, "SleevePredict");
  _accumulate = sleeve_essentia::accumulates(*this);
  _network.configure(*this, _accumulate);
}

void SleevePredict::reset() {
  Algorithm::reset();
  clear();
}

void SleevePredict::clear() {
  _stream.reset();
  _analysis.reset();
  std::vector<Real>().swap(_held);
  _row = 0;
  _waiting = _done = false;
}

AlgorithmStatus SleevePredict::process() {
  _network.extractor();  // throws without a model
  try {
    if (_done) return PASS;
    // Rows first, so that nothing is consumed while the output is full.
    if (!give()) return NO_OUTPUT;
    if (_done) return FINISHED;
    const int available = _signal.available();
    if (available >= CHUNK) {
      consume(CHUNK);
    } else if (!shouldStop()) {
      return NO_INPUT;
    } else if (available > 0) {
      consume(available);
    } else {
      finish();
    }
    return OK;
  } catch (const sleeve::Error& error) {
    _network.fail(error);
  }
}

// Takes samples from the input.
void SleevePredict::consume(int samples) {
  if (!_signal.acquire(samples)) _network.fail("the input has fewer samples than it reports");
  const Real* first = static_cast<const Real*>(_signal.getFirstToken());
  if (_accumulate) {
    _held.insert(_held.end(), first, first + samples);
  } else {
    if (!_stream) {
      const unsigned rate = _network.sampleRate(_sampleRate);
      _stream = std::make_unique<sleeve::Stream>(sleeve::Stream::open(_network.extractor(), rate, 1, QUEUE));
    }
    const sleeve::WriteResult result =
        _stream->writer.write(sleeve::Span<const float>(first, static_cast<std::size_t>(samples)));
    if (result.status != SLEEVE_STATUS_OK) throw sleeve::Error::last(result.status);
  }
  _signal.release(samples);
}

// The end of the signal.
void SleevePredict::finish() {
  if (_accumulate && !_held.empty()) {
    _analysis = std::make_unique<sleeve::Analysis>(_network.extractor().run_samples(_held, 1, _network.sampleRate(_sampleRate)));
    std::vector<Real>().swap(_held);
  } else if (_stream) {
    sleeve::detail::check(_stream->writer.finish()).value();
  } else {
    _done = true;
  }
}

// Writes the rows that are ready; false if the output is full.
bool SleevePredict::give() {
  if (_stream) return giveFromStream();
  if (_analysis) return giveFromAnalysis();
  return true;
}

bool SleevePredict::giveFromStream() {
  for (;;) {
    if (!_waiting) {
      const sleeve::ReadState state = _stream->reader.next();
      if (state == sleeve::ReadState::Finished) _done = true;
      if (state != sleeve::ReadState::Row) return true;
    }
    _waiting = !put(_stream->reader.output(_network.output()));
    if (_waiting) return false;
  }
}

bool SleevePredict::giveFromAnalysis() {
  const sleeve::Matrix rows = _analysis->output(_network.output());
  for (; _row < rows.rows(); ++_row) {
    if (!put(rows.row(_row))) return false;
  }
  _done = true;
  return true;
}

// Writes a row to the output; false if the output is full.
bool SleevePredict::put(sleeve::Span<const float> row) {
  if (!_predictions.acquire(1)) return false;
  static_cast<std::vector<Real>*>(_predictions.getFirstToken())->assign(row.begin(), row.end());
  _predictions.release(1);
  return true;
}

}  // namespace streaming
}  // namespace essentia
