// SPDX-License-Identifier: AGPL-3.0-or-later
//
// The common parameters of the standard and the streaming form of an algorithm.

#ifndef SLEEVE_ESSENTIA_PARAMETERS_H
#define SLEEVE_ESSENTIA_PARAMETERS_H

#include <string>
#include <vector>

#include <essentia/configurable.h>

namespace sleeve_essentia {

// The arguments of declareParameter.
struct Declaration {
  const char* name;
  const char* description;
  const char* range;
  essentia::Parameter value;
};

// The parameters of SleevePredict.
const std::vector<Declaration>& predictParameters();
// The parameters of SleevePredict2D.
const std::vector<Declaration>& predict2DParameters();

// The value of a text parameter.
std::string text(const essentia::Configurable& parameters, const char* name);
// The sample rate for the library. Throws EssentiaException, beginning with `algorithm`, if it is not a whole number of
// Hz or out of range. 0 is the model's own.
unsigned sampleRate(const essentia::Configurable& parameters, const char* algorithm);
// Whether patches wait for the end of the stream.
bool accumulates(const essentia::Configurable& parameters);

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_PARAMETERS_H
