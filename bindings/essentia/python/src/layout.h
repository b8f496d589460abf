// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Whether Essentia's classes lie in memory as this plugin was compiled to believe.

#ifndef SLEEVE_ESSENTIA_LAYOUT_H
#define SLEEVE_ESSENTIA_LAYOUT_H

#include <string>

namespace sleeve_essentia {

// Compares with the Essentia in the extension module at `path`, which is loaded. Returns what does not fit; empty where
// all does.
std::string layoutMismatch(const char* path);

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_LAYOUT_H
