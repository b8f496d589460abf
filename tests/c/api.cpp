// The C++ API as a host uses it: api HEAD RECORDING SMALL_MODEL. api.c tests the library; this tests ownership, views,
// results and exceptions.
#include <sleeve/sleeve.hpp>

#include "check.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

// Types own their handles: they can be moved, but not copied.
static_assert(!std::is_copy_constructible_v<sleeve::Model> && std::is_nothrow_move_constructible_v<sleeve::Model>);
static_assert(!std::is_copy_constructible_v<sleeve::Options> && std::is_move_assignable_v<sleeve::Options>);
static_assert(!std::is_copy_constructible_v<sleeve::Extractor> && std::is_move_assignable_v<sleeve::Extractor>);
static_assert(!std::is_copy_constructible_v<sleeve::Analysis> && std::is_move_assignable_v<sleeve::Analysis>);
static_assert(!std::is_copy_constructible_v<sleeve::StreamWriter> && !std::is_copy_constructible_v<sleeve::StreamReader>);
static_assert(std::is_nothrow_move_constructible_v<sleeve::Stream>);

namespace {

template <typename Function>
sleeve_status thrown(Function function) {
    try {
        function();
    } catch (const sleeve::Error &error) {
        CHECK(!std::string(error.what()).empty());
        return error.status();
    }
    return SLEEVE_STATUS_OK;
}

void results() {
    auto missing = sleeve::Model::try_bundled("no-such-model");
    CHECK(!missing && !missing.has_value());
    CHECK(missing.error().status() == SLEEVE_STATUS_MODEL);
    CHECK(std::string(missing.error().what()).find("no-such-model") != std::string::npos);
    CHECK(thrown([] { (void)sleeve::Model::bundled("no-such-model"); }) == SLEEVE_STATUS_MODEL);
    CHECK(thrown([&] { (void)missing.value(); }) == SLEEVE_STATUS_MODEL);
    CHECK(thrown([] { sleeve::Options().device("gpu"); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
    auto there = sleeve::Model::try_bundled();
    CHECK(there && there->name() == "msd-musicnn-1");
    sleeve::Model taken = std::move(there).value();
    CHECK(taken.sha256().size() == 64 && taken.sample_rate() == 16000 && !taken.is_head());
    // A moved-from object gives empty results and errors, no crash.
    sleeve::Model moved = std::move(taken);
    CHECK(taken.name().empty() && taken.get() == nullptr);
    CHECK(thrown([&] { sleeve::Extractor extractor(taken); }) == SLEEVE_STATUS_NULL_POINTER);
    taken = std::move(moved);
    CHECK(taken.json().front() == '{');
    const std::array<std::uint8_t, 3> bytes{1, 2, 3};
    CHECK(sleeve::Model::try_from_memory(bytes).error().status() == SLEEVE_STATUS_MODEL);
    CHECK(sleeve::Model::try_from_memory({}).error().status() == SLEEVE_STATUS_MODEL);
}

void analyses(const sleeve::Extractor &extractor, const std::string &recording) {
    sleeve::Analysis analysis = extractor.run_file(recording);
    const sleeve::Matrix predictions = analysis.predictions();
    CHECK(predictions.rows() == analysis.patch_count() && predictions.rows() > 0 && predictions.columns() == 50);
    CHECK(analysis.embeddings().columns() == 200);
    CHECK(analysis.times().size() == analysis.patch_count());
    CHECK(!analysis.class_name(0).empty() && analysis.class_name(50).empty());
    CHECK(analysis.warnings().empty());
    const std::vector<sleeve::Output> outputs = extractor.outputs();
    for (std::size_t index = 0; index < outputs.size(); ++index) {
        const sleeve::Matrix output = analysis.output(index);
        CHECK(output.columns() == outputs[index].dim);
        const std::vector<float> mean = analysis.mean(index);
        double first = 0;
        for (std::size_t row = 0; row < output.rows(); ++row) first += static_cast<double>(output.row(row)[0]);
        CHECK(std::fabs(first / static_cast<double>(output.rows()) - static_cast<double>(mean[0])) < 1e-5);
    }
    CHECK(analysis.output(99).empty() && analysis.mean(99).empty());
    // A view is not a copy.
    CHECK(analysis.predictions().data() == predictions.data());
    sleeve::Analysis moved = std::move(analysis);
    CHECK(moved.predictions().data() == predictions.data());
    CHECK(analysis.patch_count() == 0 && analysis.predictions().empty() && analysis.times().empty());
    CHECK(extractor.try_run_file("/nowhere.mp3").error().status() == SLEEVE_STATUS_IO);

    const std::vector<float> silence(48000);
    CHECK(extractor.run_samples({silence.data(), 0}, 2, 16000).patch_count() == 0);
    CHECK(extractor.run_samples({}, 2, 16000).patch_count() == 0);
    CHECK(thrown([&] { (void)extractor.run_samples({silence.data(), 3}, 2, 16000); }) ==
          SLEEVE_STATUS_INVALID_ARGUMENT);
    CHECK(thrown([&] { (void)extractor.run_patches(silence, 2, 187, 96); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
    CHECK(extractor.run_patches({silence.data(), 2 * 187 * 96}, 2, 187, 96).patch_count() == 2);
    CHECK(thrown([&] { (void)extractor.run_embeddings({silence.data(), 200}, 1, 200); }) ==
          SLEEVE_STATUS_INVALID_ARGUMENT);
}

void heads(const std::string &file) {
    const sleeve::Extractor alone(sleeve::Model::open(file));
    const std::vector<float> embeddings(3 * 200, 0.5f);
    CHECK(alone.run_embeddings(embeddings, 3, 200).predictions().rows() == 3);
    CHECK(thrown([&] { (void)alone.run_embeddings(embeddings, 4, 200); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
    sleeve::Options options;
    options.head(sleeve::Model::open(file)).threads(1).last_patch("repeat");
    const sleeve::Extractor chained(sleeve::Model::bundled(), options);
    CHECK(chained.outputs().back().model != chained.outputs().front().model);
    CHECK(chained.warnings().empty() || !chained.warnings().front().empty());
    const std::vector<float> tone(16000, 0.25f);
    CHECK(chained.run_samples(tone, 1, 16000).patch_count() >= 1);
    CHECK(!chained.run_samples(tone, 1, 16000).level());
    const sleeve::Extractor levelled(sleeve::Model::bundled(), options.level("track").ffmpeg("never"));
    std::vector<float> square(16000);
    for (std::size_t at = 0; at < square.size(); ++at) square[at] = at % 32 < 16 ? 0.1f : -0.1f;
    const std::optional<sleeve::Levelled> level = levelled.run_samples(square, 1, 16000).level();
    CHECK(level && std::fabs(level->lufs + level->gain_db + 14) < 1e-4f);
    CHECK(sleeve::Stream::try_open(levelled, 16000, 1).error().status() == SLEEVE_STATUS_INVALID_ARGUMENT);
}

// Sleeps rather than spins: valgrind runs one thread at a time, and would wait for the spinning ones.
void wait_a_millisecond() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

void streams(const sleeve::Extractor &extractor) {
    std::vector<float> samples(2 * 44100 * 6);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i * 37 % 1000) / 1000.0f - 0.5f;
    const sleeve::Analysis offline = extractor.run_samples(samples, 2, 44100);
    sleeve::Stream stream = sleeve::Stream::open(extractor, 44100, 2, 4096);
    std::thread writing([&samples, writer = std::move(stream.writer)]() mutable {
        sleeve::Span<const float> rest(samples);
        while (!rest.empty()) {
            const sleeve::WriteResult result = writer.write({rest.data(), std::min<std::size_t>(rest.size(), 128)});
            CHECK(result.status == SLEEVE_STATUS_OK || result.status == SLEEVE_STATUS_WOULD_BLOCK);
            if (result.frames == 0) wait_a_millisecond();
            rest = {rest.data() + 2 * result.frames, rest.size() - 2 * result.frames};
        }
        CHECK(writer.finish() == SLEEVE_STATUS_OK);
        // The writer is destroyed here; what it finished is still processed.
    });
    std::size_t rows = 0;
    for (auto state = stream.reader.next(); state != sleeve::ReadState::Finished; state = stream.reader.next()) {
        CHECK(state == sleeve::ReadState::Row || state == sleeve::ReadState::Waiting);
        if (state == sleeve::ReadState::Waiting) {
            wait_a_millisecond();
            continue;
        }
        CHECK(stream.reader.index() == rows && stream.reader.time() == offline.times()[rows]);
        const sleeve::Span<const float> row = stream.reader.output(0);
        for (std::size_t i = 0; i < row.size(); ++i) CHECK(row[i] == offline.output(0).row(rows)[i]);
        ++rows;
    }
    writing.join();
    CHECK(rows == offline.patch_count() && rows > 0);
    CHECK(stream.reader.output(99).empty());
    CHECK(thrown([&] { (void)sleeve::Stream::open(extractor, 0, 2); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
}

void batches(const sleeve::Extractor &extractor, const std::string &recording) {
    const std::vector<std::string> files{recording, "/nowhere.mp3", recording};
    const sleeve::Analysis alone = extractor.run_file(recording);
    std::vector<int> seen(files.size());
    auto goes_on = [](std::size_t, std::size_t, double seconds) { return seconds >= 0; };
    const sleeve::BatchTotals totals = sleeve::run_batch(
        extractor, files,
        [&](std::size_t index, sleeve::Result<sleeve::Analysis> analysis) {
            ++seen.at(index);
            CHECK(analysis.has_value() == (index != 1));
            if (!analysis) {
                CHECK(analysis.error().status() == SLEEVE_STATUS_IO);
                return;
            }
            CHECK(analysis->patch_count() == alone.patch_count());
            for (std::size_t i = 0; i < alone.patch_count() * alone.output(0).columns(); ++i)
                CHECK(analysis->output(0).data()[i] == alone.output(0).data()[i]);
        },
        goes_on, 2);
    CHECK(totals.done == 2 && !totals.cancelled);
    for (int count : seen) CHECK(count == 1);
    // The exception of a callback is rethrown here.
    bool caught = false;
    try {
        (void)sleeve::run_batch(extractor, files, [](std::size_t, auto) { throw 42; }, goes_on);
    } catch (int number) {
        caught = number == 42;
    }
    CHECK(caught);
    auto stops = [](std::size_t, std::size_t, double) { return false; };
    CHECK(sleeve::run_batch(extractor, files, [](std::size_t, auto) {}, stops).cancelled);
    CHECK(sleeve::run_batch(extractor, {}, [](std::size_t, auto) {}, goes_on).done == 0);
}

// One extractor, several threads: the same bits for all.
void sharing(const sleeve::Extractor &extractor) {
    std::vector<float> samples(16000 * 4);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i * 61 % 997) / 997.0f - 0.5f;
    const sleeve::Analysis expected = extractor.run_samples(samples, 1, 16000);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 2; ++round) {
                const sleeve::Analysis found = extractor.run_samples(samples, 1, 16000);
                for (std::size_t v = 0; v < expected.output(0).columns(); ++v)
                    CHECK(found.output(0).row(0)[v] == expected.output(0).row(0)[v]);
                CHECK(!extractor.try_run_file("/nowhere").has_value());
            }
        });
    for (std::thread &thread : threads) thread.join();
}

}  // namespace

int main(int argc, char **argv) {
    CHECK(argc == 4);
    CHECK(sleeve::version() == SLEEVE_VERSION);
    CHECK(sleeve::devices().at(0) == "cpu");
    results();
    const sleeve::Extractor extractor(sleeve::Model::bundled());
    CHECK(!extractor.engine().empty());
    analyses(extractor, argv[2]);
    heads(argv[1]);
    // A small network: under valgrind, a patch of the bundled one takes seconds.
    const sleeve::Extractor small(sleeve::Model::open(argv[3]));
    streams(small);
    batches(small, argv[2]);
    sharing(small);
    sleeve::Mel mel;
    const std::vector<float> tone(1000, 0.5f);
    CHECK(mel.compute(tone).size() == sleeve_mel_frame_count(1000) * SLEEVE_MEL_BANDS);
    std::vector<float> bands(SLEEVE_MEL_BANDS);
    mel.frame({tone.data(), SLEEVE_MEL_FRAME_SIZE}, bands);
    CHECK(thrown([&] { mel.frame(tone, bands); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
    std::printf("api: ok\n");
    return 0;
}
