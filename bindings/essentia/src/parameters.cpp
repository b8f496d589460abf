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
    "Essentia's name for `model`, used if that is empty. For a TensorFlow graph (.pb), the .onnx beside it is opened";
const char* const INPUT =
    "accepted for compatibility and ignored: the model defines its input";
const char* const BATCH =
    "how many patches the network may process at once. The results are the same for any batch size, and a batch need "
    "not be full. With -1 or 0 the engine chooses, and patches wait for the end of the stream as with `accumulate`";
const char* const DEVICE = "where the model runs: `auto` (CUDA if available, else the CPU), `cpu`, `cuda` or `cuda:1`";
const char* const PRECISION = "the arithmetic of the model; `auto` is f32 on a CPU";
const char* const PRECISIONS = "{auto,f32,bf16,fp16}";
const char* const THREADS = "threads that the network may use; 0 means every core the process may use";

}  // namespace

const std::vector<Declaration>& predictParameters() {
  static const std::vector<Declaration> parameters = {
      {"model", MODEL, "", ""},
      {"graphFilename", GRAPH, "", ""},
      {"frontEnd",
       "the input that the model was trained on, in place of what its metadata say: `musicnn`, `effnet-discogs`, `maest`, "
       "`vggish`, `vggish-original`, `tempocnn`, `fsd-sinet`, `openl3`, `crepe`, or `musicnn-mel` (MusiCNN's frames in patches of any "
       "length). Values are wrong if that is not true. Empty means what the metadata say",
       "", ""},
      {"input", INPUT, "", ""},
      {"isTrainingName", INPUT, "", ""},
      {"savedModel", "accepted for compatibility and ignored: there is no TensorFlow", "", ""},
      {"output",
       "the output for each patch: `predictions`, `embeddings`, `tempo` ([BPM, probability] of TempoCNN's models), `pitch` "
       "([Hz, confidence] of CREPE's), or the name of one of the graph's tensors, with or without its `:0`. Empty means "
       "the predictions if the model has any, else its embeddings. Behind the name of a layer of MAEST's, `:cls`, `:dist`, "
       "`:mean` or `:stack` selects the class token, the distillation token, the mean of the others, or all three",
       "", ""},
      {"patchSize", "accepted for compatibility and ignored: the model defines the length of its patches", "[0,inf)", 0},
      {"patchHopSize",
       "the number of frames (of the model's front end) between the beginnings of adjacent patches. 0 to avoid overlap, "
       "-1 for the model's own: 62 frames for EffnetDiscogs, 93 for MusiCNN and VGGish, 128 for TempoCNN, 50 for FSDSINet, "
       "for MAEST by the length of its patches",
       "[-1,65536]", -1},
      {"hopSize",
       "of CREPE's models alone: milliseconds between frames, a multiple of 10. 0 means what patchHopSize says",
       "[0,inf)", Parameter(0.0)},
      {"normalize",
       "of FSDSINet's models alone: whether the whole signal is normalised first, as for their training. In streaming "
       "mode it needs `accumulate`, and is not done without it, as in TensorflowPredictFSDSINet",
       "{true,false}", true},
      {"lastPatchMode",
       "what to do with the last frames: `repeat` them to fill the last patch, so that a clip shorter than a patch "
       "has one too, or `discard` them",
       "{discard,repeat}", "discard"},
      {"batchSize", BATCH, "[-1,inf)", 64},
      {"accumulate",
       "when true, patches wait for the end of the stream and then run in full batches; memory grows with the signal, "
       "64 kB a second at 16 kHz. Otherwise each gives its result as soon as its last sample has arrived",
       "{true,false}", false},
      {"inputSampleRate",
       "the sample rate of the signal [Hz], a whole number. It is resampled to the model's, so set this if the signal "
       "is not sampled at that: 16 kHz for most, 11025 Hz for TempoCNN, 22050 Hz for FSDSINet, 48 kHz for OpenL3. 0 means "
       "the model's own rate",
       "[0,768000]", Parameter(0.0)},
      {"resampler",
       "how a signal at another rate is resampled: `linear`, as for the training of published models (quality 4 of "
       "Essentia's Resample), or `sinc` (band-limited)",
       "{linear,sinc}", "linear"},
      {"level",
       "`none` leaves the signal as it is; `track` measures the loudness of the whole signal, as mono (EBU R 128), and "
       "brings it to -14 LUFS. In streaming mode, `track` needs `accumulate`",
       "{none,track}", "none"},
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
       "the output for each embedding: `predictions`, or the name of one of the graph's tensors, with or without its "
       "`:0`. Empty means the predictions if the head's metadata names them, else its first output",
       "", ""},
      {"dimensions",
       "accepted for compatibility and ignored: the head defines the size of its input",
       "[0,inf)", 200},
      {"patchSize", "the number of embeddings for one prediction: heads take one at a time", "[1,1]", 1},
      {"patchHopSize", "every how many embeddings a prediction is computed; 0 means 1", "[0,inf)", 1},
      {"lastPatchMode", "accepted for compatibility and ignored: one embedding is always a whole patch",
       "{discard,repeat}", "discard"},
      {"batchSize", "how many embeddings the network may process at once; with -1 or 0 the engine chooses. The results "
                    "are the same for any batch size",
       "[-1,inf)", 64},
      {"accumulate", "accepted for compatibility and ignored: results are the same, and given as soon as possible",
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
  if (rate == 0) return 0;
  if (!(rate >= 1000 && rate <= 768000) || rate != std::floor(rate)) {
    throw essentia::EssentiaException(algorithm, ": inputSampleRate must be a whole number of Hz from 1000 to 768000, not ", rate);
  }
  return static_cast<unsigned>(rate);
}

bool accumulates(const essentia::Configurable& parameters) {
  return parameters.parameter("accumulate").toBool() || parameters.parameter("batchSize").toInt() <= 0;
}

}  // namespace sleeve_essentia
