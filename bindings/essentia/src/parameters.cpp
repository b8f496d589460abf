// SPDX-License-Identifier: AGPL-3.0-or-later

#include "parameters.h"

#include <cmath>

namespace sleeve_essentia {

namespace {

using essentia::Parameter;

const char* const MODEL =
    "the model: an .onnx or .pt (TorchScript) file, the .json beside one, their common stem, or the name of a model "
    "inside the library (msd-musicnn-1, mtt-musicnn-1)";
const char* const HEAD = "the head: an .onnx or .pt (TorchScript) file, the .json beside one, or their common stem";
const char* const GRAPH =
    "Essentia's name for `model`, read where that is empty. Of a TensorFlow graph (.pb) the .onnx that is published "
    "beside it is opened";
const char* const INPUT =
    "accepted for compatibility and ignored: the model defines its input";
const char* const BATCH =
    "how many patches the network may take at once. The results are the same for any batch size, and a batch need "
    "not be full. With -1 or 0 the engine chooses, and patches wait for the end of the stream as with `accumulate`";
const char* const DEVICE = "where the model runs: `auto` (CUDA if it answers, else the CPU), `cpu`, `cuda` or `cuda:1`";
const char* const PRECISION = "the arithmetic that the model runs in; `auto` is f32 on a CPU";
const char* const PRECISIONS = "{auto,f32,bf16,fp16}";
const char* const THREADS = "threads that the network may use; 0 means every core the process may use";

}  // namespace

const std::vector<Declaration>& predictParameters() {
  static const std::vector<Declaration> parameters = {
      {"model", MODEL, "", ""},
      {"graphFilename", GRAPH, "", ""},
      {"input", INPUT, "", ""},
      {"output",
       "what to give for each patch: `predictions`, `embeddings`, or the name of one of the graph's tensors, with or "
       "without its `:0`. Empty means the predictions where the model has any, else its embeddings",
       "", ""},
      {"patchHopSize",
       "the number of frames (of 256 samples) between the beginnings of adjacent patches. 0 to avoid overlap, -1 for "
       "the model's own: 62 frames for EffnetDiscogs, 93 for MusiCNN",
       "[-1,65536]", -1},
      {"lastPatchMode",
       "what to do with the last frames: `repeat` them to fill the last patch, so that a clip shorter than a patch "
       "has one too, or `discard` them",
       "{discard,repeat}", "discard"},
      {"batchSize", BATCH, "[-1,inf)", 64},
      {"accumulate",
       "when true, patches wait for the end of the stream and then run in full batches; otherwise each gives its "
       "result as soon as its last sample is there. Memory then grows with the signal, 64 kB a second at 16 kHz",
       "{true,false}", false},
      {"inputSampleRate",
       "the sample rate of the signal [Hz], a whole number. It is resampled to the model's, so set this if the signal "
       "is not sampled at 16 kHz",
       "[1000,768000]", Parameter(16000.0)},
      {"resampler",
       "how a signal at another rate is resampled: `linear`, which published models were made with (quality 4 of "
       "Essentia's Resample), or `sinc` (band-limited)",
       "{linear,sinc}", "linear"},
      {"device", DEVICE, "", "auto"},
      {"precision", PRECISION, PRECISIONS, "auto"},
      {"threads", THREADS, "[0,inf)", 0},
  };
  return parameters;
}

const std::vector<Declaration>& predict2DParameters() {
  static const std::vector<Declaration> parameters = {
      {"model", HEAD, "", ""},
      {"graphFilename", GRAPH, "", ""},
      {"input", INPUT, "", ""},
      {"isTrainingName", INPUT, "", ""},
      {"output",
       "what to give for each embedding: `predictions`, or the name of one of the graph's tensors, with or without its "
       "`:0`. Empty means the predictions where the head says which they are, else its first output",
       "", ""},
      {"dimensions",
       "accepted for compatibility and ignored: the head defines the size of its input",
       "[0,inf)", 200},
      {"patchSize", "the number of embeddings that one prediction is made of: heads take one at a time", "[1,1]", 1},
      {"patchHopSize", "every which embedding is predicted; 0 is 1", "[0,inf)", 1},
      {"lastPatchMode", "taken so that code need not change: one embedding is always a whole patch",
       "{discard,repeat}", "discard"},
      {"batchSize", "how many embeddings the network may take at once; -1 and 0 leave it to the engine. The results "
                    "are the same for any batch size",
       "[-1,inf)", 64},
      {"accumulate", "taken so that code need not change: results are the same, and come as soon as they can",
       "{true,false}", false},
      {"device", DEVICE, "", "auto"},
      {"precision", PRECISION, PRECISIONS, "auto"},
      {"threads", THREADS, "[0,inf)", 0},
  };
  return parameters;
}

std::string text(const essentia::Configurable& parameters, const char* name) {
  return parameters.parameter(name).toString();
}

unsigned sampleRate(const essentia::Configurable& parameters, const char* algorithm) {
  const essentia::Real rate = parameters.parameter("inputSampleRate").toReal();
  if (!(rate >= 1000 && rate <= 768000) || rate != std::floor(rate)) {
    throw essentia::EssentiaException(algorithm, ": inputSampleRate must be a whole number of Hz from 1000 to 768000, not ", rate);
  }
  return static_cast<unsigned>(rate);
}

bool accumulates(const essentia::Configurable& parameters) {
  return parameters.parameter("accumulate").toBool() || parameters.parameter("batchSize").toInt() <= 0;
}

}  // namespace sleeve_essentia
