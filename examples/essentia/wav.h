// SPDX-License-Identifier: AGPL-3.0-or-later
//
// WAV files, for an Essentia that was built without a loader.

#ifndef SLEEVE_EXAMPLE_WAV_H
#define SLEEVE_EXAMPLE_WAV_H

#include <string>
#include <vector>

struct Wav {
    unsigned sampleRate;
    std::vector<float> samples;  // the mean of the channels, full scale being 1
};

// Reads a WAV file of 16-bit integers or 32-bit floats; throws std::runtime_error with file and reason for any other.
Wav readWav(const std::string &file);

#endif  // SLEEVE_EXAMPLE_WAV_H
