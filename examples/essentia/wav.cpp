// SPDX-License-Identifier: AGPL-3.0-or-later

#include "wav.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace {

using Bytes = std::vector<unsigned char>;

[[noreturn]] void fail(const std::string &file, const std::string &reason) {
    throw std::runtime_error(file + ": " + reason);
}

// A number of `size` bytes, the lowest first; the caller knows that they are there.
std::uint32_t number(const Bytes &bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
    return value;
}

bool says(const Bytes &bytes, std::size_t at, const char *word) { return std::memcmp(&bytes[at], word, 4) == 0; }

float sample(const Bytes &bytes, std::size_t at, bool isFloat) {
    const std::uint32_t bits = number(bytes, at, isFloat ? 4 : 2);
    if (!isFloat) return static_cast<float>(static_cast<std::int16_t>(bits)) / 32768.0f;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

}  // namespace

Wav readWav(const std::string &file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) fail(file, "cannot be opened");
    const Bytes bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (bytes.size() < 12 || !says(bytes, 0, "RIFF") || !says(bytes, 8, "WAVE"))
        fail(file, "is no WAV file, and this Essentia has no MonoLoader to read others");
    std::size_t channels = 0;
    unsigned rate = 0;
    bool isFloat = false;
    for (std::size_t at = 12; bytes.size() - at >= 8;) {
        const std::size_t start = at + 8;
        // Sizes are not believed beyond the end of the file.
        const std::size_t size = std::min<std::size_t>(number(bytes, at + 4, 4), bytes.size() - start);
        if (says(bytes, at, "fmt ") && size >= 16) {
            const std::uint32_t format = number(bytes, start, 2), bits = number(bytes, start + 14, 2);
            channels = number(bytes, start + 2, 2);
            rate = number(bytes, start + 4, 4);
            isFloat = format == 3 && bits == 32;
            if (channels == 0 || !(isFloat || (format == 1 && bits == 16)))
                fail(file, "is neither of 16-bit integers nor of 32-bit floats");
        } else if (says(bytes, at, "data")) {
            if (channels == 0) fail(file, "has samples before it says what they are");
            const std::size_t width = isFloat ? 4 : 2, frames = size / (width * channels);
            Wav wav{rate, std::vector<float>(frames)};
            for (std::size_t frame = 0; frame < frames; ++frame) {
                float sum = 0;
                for (std::size_t channel = 0; channel < channels; ++channel)
                    sum += sample(bytes, start + (frame * channels + channel) * width, isFloat);
                wav.samples[frame] = sum / static_cast<float>(channels);
            }
            return wav;
        }
        // Chunks begin at even places.
        at = start + std::min(size + size % 2, bytes.size() - start);
    }
    fail(file, "has no samples");
}
