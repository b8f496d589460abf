// Tags of live audio as they change: raw PCM in, from any program that can write it.
//
//     parec --format=s16le --rate=44100 --channels=2 | live 44100 2
//     ffmpeg -i song.mp3 -f s16le -ac 2 -ar 44100 - | live 44100 2
//
// One thread reads standard input and writes to the stream, as an audio callback would; the other runs the model.
#include <sleeve/sleeve.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

namespace {

constexpr std::size_t FRAMES = 512;

// Writes 16-bit little-endian samples from standard input to the stream. It waits while the queue is full. An audio
// callback cannot wait: it drops what was not written.
void read_input(sleeve::StreamWriter &writer, std::size_t channels) {
    std::vector<unsigned char> bytes(2 * channels * FRAMES);
    std::vector<std::int16_t> samples;
    for (;;) {
        const std::size_t frames = std::fread(bytes.data(), 2 * channels, FRAMES, stdin);
        if (frames == 0) break;
        samples.resize(frames * channels);
        for (std::size_t i = 0; i < samples.size(); ++i)
            samples[i] = static_cast<std::int16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
        sleeve::Span<const std::int16_t> rest(samples);
        while (!rest.empty()) {
            const sleeve::WriteResult result = writer.write(rest);
            if (result.status != SLEEVE_STATUS_OK && result.status != SLEEVE_STATUS_WOULD_BLOCK) return;
            rest = {rest.data() + result.frames * channels, rest.size() - result.frames * channels};
            if (!rest.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    writer.finish();
}

// The names of the three largest activations.
std::string tags(sleeve::Span<const float> activations, const sleeve::Output &output) {
    std::vector<std::size_t> order(activations.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto shown = order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, order.size()));
    std::partial_sort(order.begin(), shown, order.end(),
                      [&](std::size_t a, std::size_t b) { return activations[a] > activations[b]; });
    std::string text;
    for (auto index = order.begin(); index != shown; ++index) {
        if (!text.empty()) text += ", ";
        text += *index < output.classes.size() ? output.classes[*index] : std::to_string(*index);
    }
    return text;
}

}  // namespace

int main(int argc, char **argv) try {
    const int rate = argc > 1 ? std::atoi(argv[1]) : 0, channels = argc > 2 ? std::atoi(argv[2]) : 1;
    if (rate <= 0 || channels <= 0) {
        std::fprintf(stderr, "usage: %s RATE [CHANNELS] < raw 16-bit little-endian PCM\n", argv[0]);
        return 2;
    }
#ifdef _WIN32
    // Bytes, not lines.
    _setmode(_fileno(stdin), _O_BINARY);
#endif
    const sleeve::Extractor extractor(sleeve::Model::bundled());
    const std::vector<sleeve::Output> outputs = extractor.outputs();
    const auto predictions = std::find_if(outputs.begin(), outputs.end(), [](const sleeve::Output &output) {
        return output.purpose == SLEEVE_PURPOSE_PREDICTIONS;
    });
    if (predictions == outputs.end()) {
        std::fprintf(stderr, "the model has no predictions\n");
        return 1;
    }
    const std::size_t index = static_cast<std::size_t>(predictions - outputs.begin());

    sleeve::Stream stream = sleeve::Stream::open(extractor, static_cast<std::uint32_t>(rate),
                                                 static_cast<std::uint32_t>(channels));
    std::thread reader(read_input, std::ref(stream.writer), static_cast<std::size_t>(channels));
    std::string last;
    for (sleeve::ReadState state = stream.reader.next(); state != sleeve::ReadState::Finished;
         state = stream.reader.next()) {
        if (state == sleeve::ReadState::Waiting) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            continue;
        }
        const std::string now = tags(stream.reader.output(index), *predictions);
        if (now != last) {
            std::printf("%7.2f s  %s\n", stream.reader.time(), now.c_str());
            std::fflush(stdout);
        }
        last = now;
    }
    reader.join();
    return 0;
} catch (const sleeve::Error &error) {
    std::fprintf(stderr, "%s (%s)\n", error.what(), sleeve_status_name(error.status()));
    std::_Exit(1);  // the reader may be waiting for input
}
