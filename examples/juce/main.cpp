// Tags of raw audio through a JUCE source, as fast as the model goes.
//
//     ffmpeg -i song.mp3 -f s16le -ac 2 -ar 44100 song.pcm && tagged song.pcm 44100 2
#include "tagged_source.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int BLOCK = 512;

// A file of interleaved 16-bit little-endian samples.
class PcmSource final : public juce::AudioSource {
public:
    PcmSource(const juce::File &file, int channels) : stream(file), channelCount(channels) {}

    bool isOpen() const { return stream.openedOk(); }
    void prepareToPlay(int, double) override {}
    void releaseResources() override {}
    void getNextAudioBlock(const juce::AudioSourceChannelInfo &block) override {
        for (int i = 0; i < block.numSamples; ++i) {
            for (int channel = 0; channel < channelCount; ++channel) {
                const float sample = static_cast<float>(stream.readShort()) / 32768.0F;
                block.buffer->setSample(channel, block.startSample + i, sample);
            }
        }
    }
    int frames() { return static_cast<int>(stream.getTotalLength() / (2 * channelCount)); }

private:
    juce::FileInputStream stream;
    const int channelCount;
};

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
    const int rate = argc > 2 ? std::atoi(argv[2]) : 0, channels = argc > 3 ? std::atoi(argv[3]) : 1;
    if (rate <= 0 || channels <= 0) {
        std::fprintf(stderr, "usage: %s FILE RATE [CHANNELS]\n", argv[0]);
        return 2;
    }
    PcmSource recording(juce::File::getCurrentWorkingDirectory().getChildFile(juce::CharPointer_UTF8(argv[1])), channels);
    if (!recording.isOpen()) {
        std::fprintf(stderr, "cannot open %s\n", argv[1]);
        return 1;
    }
    const sleeve::Extractor extractor(sleeve::Model::bundled());
    const std::vector<sleeve::Output> outputs = extractor.outputs();
    const auto predictions = std::find_if(outputs.begin(), outputs.end(), [](const sleeve::Output &output) {
        return output.purpose == SLEEVE_PURPOSE_PREDICTIONS;
    });
    if (predictions == outputs.end()) {
        std::fprintf(stderr, "the model has no predictions\n");
        return 1;
    }
    std::string last;
    TaggedSource source(recording, extractor, static_cast<std::size_t>(predictions - outputs.begin()), channels,
                        [&](double time, sleeve::Span<const float> activations) {
                            const std::string now = tags(activations, *predictions);
                            if (now != last) std::printf("%7.2f s  %s\n", time, now.c_str());
                            last = now;
                        });
    source.prepareToPlay(BLOCK, rate);
    juce::AudioBuffer<float> buffer(channels, BLOCK);
    for (int rest = recording.frames(); rest > 0;) {
        const int count = std::min(rest, BLOCK);
        // A player's audio thread does not wait; here, nothing may be dropped.
        while (source.available() < static_cast<std::size_t>(count)) juce::Thread::sleep(5);
        source.getNextAudioBlock(juce::AudioSourceChannelInfo(&buffer, 0, count));
        rest -= count;
    }
    source.releaseResources();
    return source.dropped() == 0 ? 0 : 1;
} catch (const sleeve::Error &error) {
    std::fprintf(stderr, "%s (%s)\n", error.what(), sleeve_status_name(error.status()));
    return 1;
}
