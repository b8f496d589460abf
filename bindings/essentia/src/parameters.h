// SPDX-License-Identifier: AGPL-3.0-or-later
//
// The parameters that the standard and the streaming form of an algorithm have in common.

#ifndef SLEEVE_ESSENTIA_PARAMETERS_H
#define SLEEVE_ESSENTIA_PARAMETERS_H

#include <string>
#include <vector>

#include <essentia/configurable.h>

namespace sleeve_essentia {

// What declareParameter takes.
struct Declaration {
  const char* name;
  const char* description;
  const char* range;
  essentia::Parameter value;
};

// Of SleevePredict.
const std::vector<Declaration>& predictParameters();
// Of SleevePredict2D.
const std::vector<Declaration>& predict2DParameters();

// The text of a parameter.
std::string text(const essentia::Configurable& parameters, const char* name);
// A sample rate as the library takes it; throws EssentiaException, beginning with `algorithm`, for one that is no
// whole number of Hz or outside what can be resampled.
unsigned sampleRate(const essentia::Configurable& parameters, const char* algorithm);
// Whether patches are to wait for the end of the stream.
bool accumulates(const essentia::Configurable& parameters);

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_PARAMETERS_H
