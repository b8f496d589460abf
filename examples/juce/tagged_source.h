// An AudioSource of JUCE that lets audio pass and says what Sleeve hears in it.
//
// The audio thread copies each block into the stream: no lock, no allocation, no system call. A thread of its own runs
// the model and calls `onTags`. Put it between a source and an AudioSourcePlayer; in an AudioProcessor, call
// `prepareToPlay` and `listen` from `prepareToPlay` and `processBlock`.
#pragma once

#include <juce_audio_basics/juce_audio_basics.h>
#include <sleeve/sleeve.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

class TaggedSource final : public juce::AudioSource, private juce::Thread {
public:
    // Called on the model's thread with the time of a patch in seconds and its activations.
    using OnTags = std::function<void(double, sleeve::Span<const float>)>;

    // `output` is the index of the predictions among the extractor's outputs.
    TaggedSource(juce::AudioSource &source, const sleeve::Extractor &extractor, std::size_t output, int channels,
                 OnTags onTags)
        : juce::Thread("Sleeve"),
          input(source),
          model(extractor),
          index(output),
          channelCount(static_cast<std::size_t>(channels)),
          report(std::move(onTags)) {}

    ~TaggedSource() override { releaseResources(); }

    // Not on the audio thread: opens a stream for this rate and starts the model's thread.
    void prepareToPlay(int samplesPerBlock, double sampleRate) override {
        releaseResources();
        input.prepareToPlay(samplesPerBlock, sampleRate);
        interleaved.resize(static_cast<std::size_t>(samplesPerBlock) * channelCount);
        stream = std::make_unique<sleeve::Stream>(sleeve::Stream::open(
            model, static_cast<std::uint32_t>(sampleRate), static_cast<std::uint32_t>(channelCount)));
        startThread();
    }

    // Ends the recording, and waits until its last patch was reported.
    void releaseResources() override {
        if (stream == nullptr) return;
        stream->writer.finish();
        waitForThreadToExit(-1);
        stream.reset();
        input.releaseResources();
    }

    void getNextAudioBlock(const juce::AudioSourceChannelInfo &block) override {
        input.getNextAudioBlock(block);
        listen(*block.buffer, block.startSample, block.numSamples);
    }

    // On the audio thread. What finds no room in the queue, because the model is slower than the music, is dropped.
    void listen(const juce::AudioBuffer<float> &buffer, int start, int count) noexcept {
        const std::size_t frames = static_cast<std::size_t>(count);
        if (stream == nullptr || frames * channelCount > interleaved.size()) return;
        for (std::size_t channel = 0; channel < channelCount; ++channel) {
            const int from = juce::jmin(static_cast<int>(channel), buffer.getNumChannels() - 1);
            const float *samples = buffer.getReadPointer(from, start);
            for (std::size_t i = 0; i < frames; ++i) interleaved[i * channelCount + channel] = samples[i];
        }
        const auto written = stream->writer.write(sleeve::Span<const float>(interleaved.data(), frames * channelCount));
        droppedFrames += frames - written.frames;
    }

    // Audio frames that were dropped.
    std::uint64_t dropped() const noexcept { return droppedFrames; }

    // Audio frames that `listen` has room for.
    std::size_t available() const noexcept { return stream == nullptr ? 0 : stream->writer.available(); }

private:
    void run() override {
        for (;;) {
            sleeve::Result<sleeve::ReadState> state = stream->reader.try_next();
            if (!state) {
                juce::Logger::writeToLog(juce::String("Sleeve: ") + state.error().what());
                return;
            }
            if (*state == sleeve::ReadState::Row) {
                report(stream->reader.time(), stream->reader.output(index));
            } else if (*state == sleeve::ReadState::Waiting) {
                wait(5);
            } else {
                return;
            }
        }
    }

    juce::AudioSource &input;
    const sleeve::Extractor &model;
    const std::size_t index;
    const std::size_t channelCount;
    const OnTags report;
    std::vector<float> interleaved;
    std::atomic<std::uint64_t> droppedFrames{0};
    std::unique_ptr<sleeve::Stream> stream;

    JUCE_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(TaggedSource)
};
