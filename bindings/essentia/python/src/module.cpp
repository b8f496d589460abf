// SPDX-License-Identifier: AGPL-3.0-or-later
//
// The function that the Python package calls through ctypes.

#include <exception>
#include <string>

#include <sleeve_essentia.h>

#include "layout.h"

// Compares layouts with the Essentia in the extension module at `path`, then registers the algorithms. Returns NULL, or
// the reason why it failed, valid until the next call.
extern "C" SLEEVE_ESSENTIA_API const char* sleeve_essentia_start(const char* path) {
  static std::string reason;
  try {
    reason = sleeve_essentia::layoutMismatch(path);
    if (!reason.empty()) return reason.c_str();
    sleeve_essentia::registerAlgorithms();
    return nullptr;
  } catch (const std::exception& error) {
    reason = error.what();
    return reason.c_str();
  }
}
