// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Checks that Essentia's classes have the memory layout that this plugin was compiled for.

#ifndef SLEEVE_ESSENTIA_LAYOUT_H
#define SLEEVE_ESSENTIA_LAYOUT_H

#include <string>

namespace sleeve_essentia {

// Compares with the Essentia in the extension module at `path`, which is loaded. Returns the first difference, or an
// empty string.
std::string layoutMismatch(const char* path);

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_LAYOUT_H
