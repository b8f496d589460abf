/* Every function with NULL for each pointer in turn, and with invalid lengths and numbers: hostile ONNX HEAD FOLDER.
 * Functions without a status must return 0 or NULL. A test checks that every function of the header is called here. */
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint8_t *contents(const char *file, size_t *size) {
    FILE *stream = fopen(file, "rb");
    CHECK(stream != NULL && fseek(stream, 0, SEEK_END) == 0);
    *size = (size_t)ftell(stream);
    rewind(stream);
    uint8_t *bytes = malloc(*size);
    CHECK(bytes != NULL && fread(bytes, 1, *size, stream) == *size);
    fclose(stream);
    return bytes;
}

/* An invalid address, which is never written to, because the calls fail. */
static void *const nowhere = (void *)(uintptr_t)16;

static void models(const char *onnx) {
    sleeve_model *model = nowhere;
    NULL_POINTER(sleeve_model_open(NULL, &model));
    NULL_POINTER(sleeve_model_open(onnx, NULL));
    NULL_POINTER(sleeve_model_bundled(NULL, NULL));
    NULL_POINTER(sleeve_model_bundled("msd-musicnn-1", NULL));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_bundled("", &model));
    INVALID(sleeve_model_bundled("\xc3\x28", &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_open("", &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_open("/", &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_open("/nowhere", &model));
    NULL_POINTER(sleeve_model_open_as(NULL, "musicnn", &model));
    NULL_POINTER(sleeve_model_open_as(onnx, NULL, &model));
    NULL_POINTER(sleeve_model_open_as(onnx, "musicnn", NULL));
    INVALID(sleeve_model_open_as(onnx, "", &model));
    INVALID(sleeve_model_open_as(onnx, "no front end", &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_open_as("/nowhere", "musicnn", &model));
    CHECK(sleeve_bundled_name((size_t)-1) == NULL);

    size_t size;
    uint8_t *bytes = contents(onnx, &size);
    NULL_POINTER(sleeve_model_from_memory(NULL, size, NULL, 0, &model));
    NULL_POINTER(sleeve_model_from_memory(NULL, 0, NULL, 0, &model));
    NULL_POINTER(sleeve_model_from_memory(bytes, size, NULL, 1, &model));
    NULL_POINTER(sleeve_model_from_memory(bytes, size, NULL, 0, NULL));
    INVALID(sleeve_model_from_memory(bytes, (size_t)-1, NULL, 0, &model));
    INVALID(sleeve_model_from_memory(bytes, size, "{}", (size_t)-1, &model));
    INVALID(sleeve_model_from_memory(bytes, size, "\xff", 1, &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_from_memory(bytes, size, "{", 1, &model));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_from_memory(bytes, 0, NULL, 0, &model));
    /* Truncated at every power of two, and with damaged bytes: an error or a model, no crash. */
    for (size_t cut = 1; cut < size; cut *= 2) {
        model = NULL;
        if (sleeve_model_from_memory(bytes, cut, NULL, 0, &model) == SLEEVE_STATUS_OK) sleeve_model_free(model);
    }
    unsigned state = 7;
    for (int round = 0; round < 30; ++round) {
        size_t at[8];
        uint8_t was[8];
        for (int i = 0; i < 8; ++i) {
            state = state * 1664525u + 1013904223u;
            at[i] = (i < 4 ? state >> 16 : state) % (i < 4 ? (size < 4096 ? size : 4096) : size);
            was[i] = bytes[at[i]];
            bytes[at[i]] = (uint8_t)(state >> 8);
        }
        model = NULL;
        const sleeve_status status = sleeve_model_from_memory(bytes, size, NULL, 0, &model);
        CHECK(status == SLEEVE_STATUS_OK || status == SLEEVE_STATUS_MODEL);
        sleeve_model_free(model);
        for (int i = 8; i-- > 0;) bytes[at[i]] = was[i];
    }
    free(bytes);

    CHECK(sleeve_model_name(NULL) == NULL);
    CHECK(sleeve_model_sha256(NULL) == NULL);
    CHECK(sleeve_model_json(NULL) == NULL);
    CHECK(sleeve_model_sample_rate(NULL) == 0);
    CHECK(sleeve_model_front_end(NULL) == NULL);
    CHECK(sleeve_model_patch_hop(NULL) == 0);
    CHECK(!sleeve_model_is_head(NULL));
    sleeve_model_free(NULL);
    OK(sleeve_model_bundled(NULL, &model));
    size_t n;
    NULL_POINTER(sleeve_model_input(NULL, &n, &n));
    NULL_POINTER(sleeve_model_input(model, NULL, &n));
    NULL_POINTER(sleeve_model_input(model, &n, NULL));
    sleeve_model_free(model);
}

static void options(const sleeve_model *head) {
    NULL_POINTER(sleeve_options_new(NULL));
    sleeve_options *options;
    OK(sleeve_options_new(&options));
    NULL_POINTER(sleeve_options_set_engine(NULL, "auto"));
    NULL_POINTER(sleeve_options_set_engine(options, NULL));
    NULL_POINTER(sleeve_options_set_device(NULL, "auto"));
    NULL_POINTER(sleeve_options_set_device(options, NULL));
    NULL_POINTER(sleeve_options_set_precision(NULL, "auto"));
    NULL_POINTER(sleeve_options_set_precision(options, NULL));
    NULL_POINTER(sleeve_options_set_resampler(NULL, "linear"));
    NULL_POINTER(sleeve_options_set_resampler(options, NULL));
    NULL_POINTER(sleeve_options_set_level(NULL, "track"));
    NULL_POINTER(sleeve_options_set_level(options, NULL));
    NULL_POINTER(sleeve_options_set_ffmpeg(NULL, "never"));
    NULL_POINTER(sleeve_options_set_ffmpeg(options, NULL));
    NULL_POINTER(sleeve_options_set_last_patch(NULL, "repeat"));
    NULL_POINTER(sleeve_options_set_last_patch(options, NULL));
    NULL_POINTER(sleeve_options_set_threads(NULL, 1));
    NULL_POINTER(sleeve_options_set_batch_size(NULL, 1));
    NULL_POINTER(sleeve_options_set_patch_hop(NULL, 1));
    NULL_POINTER(sleeve_options_add_output(NULL, "embeddings"));
    NULL_POINTER(sleeve_options_add_output(options, NULL));
    NULL_POINTER(sleeve_options_set_head_input(NULL, "embeddings"));
    OK(sleeve_options_set_head_input(options, "\x01"));
    OK(sleeve_options_set_head_input(options, NULL));
    NULL_POINTER(sleeve_options_set_any_embedding_model(NULL, true));
    NULL_POINTER(sleeve_options_set_normalise(NULL, false));
    NULL_POINTER(sleeve_options_add_head(NULL, head));
    NULL_POINTER(sleeve_options_add_head(options, NULL));
    sleeve_options_free(options);
    sleeve_options_free(NULL);
}

static void streams(const sleeve_extractor *extractor, const sleeve_extractor *alone);
static void batches(const sleeve_extractor *extractor, const sleeve_extractor *alone);

static void extractors(const sleeve_model *model, const sleeve_model *head) {
    sleeve_extractor *extractor;
    NULL_POINTER(sleeve_extractor_new(NULL, NULL, &extractor));
    NULL_POINTER(sleeve_extractor_new(model, NULL, NULL));
    OK(sleeve_extractor_new(model, NULL, &extractor));
    sleeve_extractor *alone;
    OK(sleeve_extractor_new(head, NULL, &alone));
    CHECK(sleeve_extractor_engine(NULL) == NULL);
    CHECK(sleeve_extractor_warning(NULL, 0) == NULL);
    CHECK(sleeve_extractor_warning(extractor, (size_t)-1) == NULL);
    CHECK(sleeve_extractor_output_count(NULL) == 0);
    CHECK(sleeve_extractor_output_model(NULL, 0) == NULL);
    CHECK(sleeve_extractor_output_model(extractor, (size_t)-1) == NULL);
    CHECK(sleeve_extractor_output_meaning(NULL, 0) == NULL);
    CHECK(sleeve_extractor_output_meaning(extractor, (size_t)-1) == NULL);
    CHECK(sleeve_extractor_output_tensor(NULL, 0) == NULL);
    CHECK(sleeve_extractor_output_tensor(extractor, (size_t)-1) == NULL);
    CHECK(sleeve_extractor_class_name(NULL, 0, 0) == NULL);
    CHECK(sleeve_extractor_class_name(extractor, (size_t)-1, 0) == NULL);
    CHECK(sleeve_extractor_class_name(extractor, 0, (size_t)-1) == NULL);
    sleeve_purpose purpose;
    size_t dim;
    NULL_POINTER(sleeve_extractor_output(NULL, 0, &purpose, &dim));
    NULL_POINTER(sleeve_extractor_output(extractor, 0, NULL, &dim));
    NULL_POINTER(sleeve_extractor_output(extractor, 0, &purpose, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_extractor_output(extractor, (size_t)-1, &purpose, &dim));

    sleeve_analysis *analysis = nowhere;
    NULL_POINTER(sleeve_extractor_run_file(NULL, "a", &analysis));
    NULL_POINTER(sleeve_extractor_run_file(extractor, NULL, &analysis));
    NULL_POINTER(sleeve_extractor_run_file(extractor, "a", NULL));
    EXPECT(SLEEVE_STATUS_IO, sleeve_extractor_run_file(extractor, "", &analysis));

    static float samples[64000];
    const size_t count = sizeof samples / sizeof *samples;
    NULL_POINTER(sleeve_extractor_run_samples(NULL, samples, count, 1, 16000, &analysis));
    NULL_POINTER(sleeve_extractor_run_samples(extractor, NULL, count, 1, 16000, &analysis));
    NULL_POINTER(sleeve_extractor_run_samples(extractor, NULL, 0, 1, 16000, &analysis));
    NULL_POINTER(sleeve_extractor_run_samples(extractor, samples, count, 1, 16000, NULL));
    INVALID(sleeve_extractor_run_samples(extractor, samples, count, 0, 16000, &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, samples, count, 65536, 16000, &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, samples, count, (uint32_t)-1, 16000, &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, samples, (size_t)-1, 1, 16000, &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, samples, (size_t)-1, 2, 16000, &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, samples, (size_t)-1 / 4, 1, 16000, &analysis));
    const uint32_t rates[] = {0, 1, 999, 768001, 1u << 31, (uint32_t)-1};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; ++i)
        INVALID(sleeve_extractor_run_samples(extractor, samples, count, 1, rates[i], &analysis));
    INVALID(sleeve_extractor_run_samples(extractor, (const float *)((const char *)samples + 1), 10, 1, 16000,
                                         &analysis));
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; ++i) {
        samples[1000 + i] = bad[i];
        EXPECT(SLEEVE_STATUS_NON_FINITE, sleeve_extractor_run_samples(extractor, samples, count, 1, 44100, &analysis));
        char message[128], index[8];
        sleeve_last_error(message, sizeof message);
        snprintf(index, sizeof index, "%d", (int)(1000 + i));
        CHECK(strstr(message, index) != NULL);
        samples[1000 + i] = 0;
    }
    /* A recording without samples has no patch. Samples near the largest float may be an error, but must not crash. */
    OK(sleeve_extractor_run_samples(extractor, samples, 0, 1, 44100, &analysis));
    CHECK(sleeve_analysis_patch_count(analysis) == 0);
    sleeve_analysis_free(analysis);
    for (size_t i = 0; i < count; ++i) samples[i] = i % 2 ? 3e38f : -3e38f;
    if (sleeve_extractor_run_samples(extractor, samples, count / 2, 2, 768000, &analysis) == SLEEVE_STATUS_OK)
        sleeve_analysis_free(analysis);

    streams(extractor, alone);
    batches(extractor, alone);
    analysis = nowhere;
    NULL_POINTER(sleeve_extractor_run_patches(NULL, samples, 1, 187, 96, &analysis));
    NULL_POINTER(sleeve_extractor_run_patches(extractor, NULL, 1, 187, 96, &analysis));
    NULL_POINTER(sleeve_extractor_run_patches(extractor, samples, 1, 187, 96, NULL));
    INVALID(sleeve_extractor_run_patches(extractor, samples, (size_t)-1, 187, 96, &analysis));
    INVALID(sleeve_extractor_run_patches(extractor, samples, (size_t)1 << 40, (size_t)1 << 40, 96, &analysis));
    INVALID(sleeve_extractor_run_patches(extractor, samples, 1, 0, 96, &analysis));
    INVALID(sleeve_extractor_run_patches(alone, samples, 1, 187, 96, &analysis));
    NULL_POINTER(sleeve_extractor_run_embeddings(NULL, samples, 1, 200, &analysis));
    NULL_POINTER(sleeve_extractor_run_embeddings(alone, NULL, 1, 200, &analysis));
    NULL_POINTER(sleeve_extractor_run_embeddings(alone, samples, 1, 200, NULL));
    INVALID(sleeve_extractor_run_embeddings(alone, samples, (size_t)-1, 200, &analysis));
    INVALID(sleeve_extractor_run_embeddings(alone, samples, 1, 0, &analysis));
    CHECK(analysis == nowhere);
    OK(sleeve_extractor_run_embeddings(alone, samples, 0, 200, &analysis));

    const float *values;
    NULL_POINTER(sleeve_analysis_output(NULL, 0, &values, &dim));
    NULL_POINTER(sleeve_analysis_output(analysis, 0, NULL, &dim));
    NULL_POINTER(sleeve_analysis_output(analysis, 0, &values, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_output(analysis, (size_t)-1, &values, &dim));
    NULL_POINTER(sleeve_analysis_embeddings(NULL, &values, &dim));
    NULL_POINTER(sleeve_analysis_embeddings(analysis, NULL, &dim));
    NULL_POINTER(sleeve_analysis_embeddings(analysis, &values, NULL));
    NULL_POINTER(sleeve_analysis_predictions(NULL, &values, &dim));
    NULL_POINTER(sleeve_analysis_predictions(analysis, NULL, &dim));
    NULL_POINTER(sleeve_analysis_predictions(analysis, &values, NULL));
    float mean[4];
    NULL_POINTER(sleeve_analysis_mean(NULL, 0, mean, 4));
    NULL_POINTER(sleeve_analysis_mean(analysis, 0, NULL, 4));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_mean(analysis, (size_t)-1, mean, 4));
    INVALID(sleeve_analysis_mean(analysis, 0, mean, (size_t)-1));
    NULL_POINTER(sleeve_analysis_level(NULL, mean, mean + 1));
    NULL_POINTER(sleeve_analysis_level(analysis, NULL, mean));
    NULL_POINTER(sleeve_analysis_level(analysis, mean, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_level(analysis, mean, mean + 1));
    CHECK(sleeve_analysis_patch_count(NULL) == 0);
    CHECK(sleeve_analysis_times(NULL) == NULL);
    CHECK(sleeve_analysis_class_name(NULL, 0) == NULL);
    CHECK(sleeve_analysis_class_name(analysis, (size_t)-1) == NULL);
    CHECK(sleeve_analysis_warning(NULL, 0) == NULL);
    CHECK(sleeve_analysis_warning(analysis, (size_t)-1) == NULL);
    sleeve_analysis_free(analysis);
    sleeve_analysis_free(NULL);
    sleeve_extractor_free(alone);
    sleeve_extractor_free(extractor);
    sleeve_extractor_free(NULL);
}

static void streams(const sleeve_extractor *extractor, const sleeve_extractor *alone) {
    sleeve_stream_writer *writer = nowhere;
    sleeve_stream_reader *reader = nowhere;
    NULL_POINTER(sleeve_stream_new(NULL, 44100, 2, 0, &writer, &reader));
    NULL_POINTER(sleeve_stream_new(extractor, 44100, 2, 0, NULL, &reader));
    NULL_POINTER(sleeve_stream_new(extractor, 44100, 2, 0, &writer, NULL));
    const uint32_t rates[] = {0, 1, 999, 768001, 1u << 31, (uint32_t)-1};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; ++i)
        INVALID(sleeve_stream_new(extractor, rates[i], 2, 0, &writer, &reader));
    INVALID(sleeve_stream_new(extractor, 44100, 0, 0, &writer, &reader));
    INVALID(sleeve_stream_new(extractor, 44100, 65536, 0, &writer, &reader));
    INVALID(sleeve_stream_new(extractor, 44100, 2, (size_t)-1, &writer, &reader));
    INVALID(sleeve_stream_new(extractor, 44100, 2, (size_t)1 << 60, &writer, &reader));
    INVALID(sleeve_stream_new(alone, 44100, 2, 0, &writer, &reader));
    CHECK(writer == nowhere && reader == nowhere);

    static float samples[2000];
    static int16_t words[2000];
    size_t taken, dim;
    const float *values;
    OK(sleeve_stream_new(extractor, 8000, 2, 500, &writer, &reader));
    NULL_POINTER(sleeve_stream_writer_write(NULL, samples, 10, &taken));
    NULL_POINTER(sleeve_stream_writer_write(writer, NULL, 10, &taken));
    NULL_POINTER(sleeve_stream_writer_write(writer, samples, 10, NULL));
    NULL_POINTER(sleeve_stream_writer_write_i16(NULL, words, 10, &taken));
    NULL_POINTER(sleeve_stream_writer_write_i16(writer, NULL, 10, &taken));
    NULL_POINTER(sleeve_stream_writer_write_i16(writer, words, 10, NULL));
    INVALID(sleeve_stream_writer_write(writer, samples, (size_t)-1, &taken));
    INVALID(sleeve_stream_writer_write(writer, samples, (size_t)-1 / 4, &taken));
    INVALID(sleeve_stream_writer_write_i16(writer, words, (size_t)-1, &taken));
    CHECK(sleeve_stream_writer_available(NULL) == 0);
    NULL_POINTER(sleeve_stream_writer_finish(NULL));
    NULL_POINTER(sleeve_stream_writer_reset(NULL));
    NULL_POINTER(sleeve_stream_reader_next(NULL));
    NULL_POINTER(sleeve_stream_reader_output(NULL, 0, &values, &dim));
    NULL_POINTER(sleeve_stream_reader_output(reader, 0, NULL, &dim));
    NULL_POINTER(sleeve_stream_reader_output(reader, 0, &values, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_stream_reader_output(reader, 0, &values, &dim));
    CHECK(sleeve_stream_reader_index(NULL) == 0 && sleeve_stream_reader_index(reader) == 0);
    CHECK(sleeve_stream_reader_time(NULL) == 0 && sleeve_stream_reader_time(reader) == 0);

    /* A full queue takes what fits; 0 samples are accepted. */
    OK(sleeve_stream_writer_write(writer, samples, 0, &taken));
    CHECK(taken == 0);
    EXPECT(SLEEVE_STATUS_WOULD_BLOCK, sleeve_stream_writer_write(writer, samples, 1000, &taken));
    CHECK(taken >= 500 && taken < 1000 && sleeve_stream_writer_available(writer) == 0);
    EXPECT(SLEEVE_STATUS_WOULD_BLOCK, sleeve_stream_reader_next(reader));
    CHECK(sleeve_stream_writer_available(writer) >= 500);
    /* A sample that is not finite is an error of the reader until the stream is reset. */
    samples[21] = NAN;
    OK(sleeve_stream_writer_write(writer, samples, 100, &taken));
    EXPECT(SLEEVE_STATUS_NON_FINITE, sleeve_stream_reader_next(reader));
    EXPECT(SLEEVE_STATUS_NON_FINITE, sleeve_stream_reader_next(reader));
    OK(sleeve_stream_writer_reset(writer));
    EXPECT(SLEEVE_STATUS_WOULD_BLOCK, sleeve_stream_reader_next(reader));
    OK(sleeve_stream_writer_finish(writer));
    OK(sleeve_stream_writer_finish(writer));
    INVALID(sleeve_stream_writer_write(writer, samples, 1, &taken));
    EXPECT(SLEEVE_STATUS_FINISHED, sleeve_stream_reader_next(reader));
    EXPECT(SLEEVE_STATUS_FINISHED, sleeve_stream_reader_next(reader));
    OK(sleeve_stream_writer_reset(writer));
    OK(sleeve_stream_writer_write_i16(writer, words, 10, &taken));
    OK(sleeve_stream_writer_reset(writer));
    EXPECT(SLEEVE_STATUS_CANCELLED, sleeve_stream_reader_next(reader));
    /* Either end may be destroyed first. */
    OK(sleeve_stream_writer_write_i16(writer, words, 10, &taken));
    sleeve_stream_writer_free(writer);
    EXPECT(SLEEVE_STATUS_CLOSED, sleeve_stream_reader_next(reader));
    sleeve_stream_reader_free(reader);
    OK(sleeve_stream_new(extractor, 8000, 2, 500, &writer, &reader));
    sleeve_stream_reader_free(reader);
    EXPECT(SLEEVE_STATUS_CLOSED, sleeve_stream_writer_write(writer, samples, 1, &taken));
    EXPECT(SLEEVE_STATUS_CLOSED, sleeve_stream_writer_reset(writer));
    sleeve_stream_writer_free(writer);
    sleeve_stream_writer_free(NULL);
    sleeve_stream_reader_free(NULL);
}

static void on_result(void *user_data, size_t index, sleeve_status status, const char *message,
                      sleeve_analysis *analysis) {
    CHECK(index == 0 && status != SLEEVE_STATUS_OK && message[0] != '\0' && analysis == NULL);
    ++*(int *)user_data;
}

static void batches(const sleeve_extractor *extractor, const sleeve_extractor *alone) {
    const char *const paths[] = {"/nowhere.wav"};
    const char *const none[] = {NULL};
    int results = 0;
    size_t done = 99;
    NULL_POINTER(sleeve_batch_run(NULL, paths, 1, 1, on_result, NULL, &results, &done));
    NULL_POINTER(sleeve_batch_run(extractor, NULL, 1, 1, on_result, NULL, &results, &done));
    NULL_POINTER(sleeve_batch_run(extractor, NULL, 0, 1, on_result, NULL, &results, &done));
    NULL_POINTER(sleeve_batch_run(extractor, none, 1, 1, on_result, NULL, &results, &done));
    NULL_POINTER(sleeve_batch_run(extractor, paths, 1, 1, NULL, NULL, &results, &done));
    NULL_POINTER(sleeve_batch_run(extractor, paths, 1, 1, on_result, NULL, &results, NULL));
    INVALID(sleeve_batch_run(extractor, paths, (size_t)-1, 1, on_result, NULL, &results, &done));
    INVALID(sleeve_batch_run(extractor, paths, 1, (size_t)-1, on_result, NULL, &results, &done));
    INVALID(sleeve_batch_run(alone, paths, 1, 1, on_result, NULL, &results, &done));
    CHECK(results == 0 && done == 99);
    OK(sleeve_batch_run(extractor, paths, 0, 1, on_result, NULL, &results, &done));
    CHECK(results == 0 && done == 0);
    OK(sleeve_batch_run(extractor, paths, 1, 1, on_result, NULL, &results, &done));
    CHECK(results == 1 && done == 0);
}

static void mel(void) {
    static float samples[2 * SLEEVE_MEL_FRAME_SIZE], values[8 * SLEEVE_MEL_BANDS];
    sleeve_mel *mel;
    size_t frames;
    NULL_POINTER(sleeve_mel_new(NULL));
    OK(sleeve_mel_new(&mel));
    NULL_POINTER(sleeve_mel_frame(NULL, samples, values));
    NULL_POINTER(sleeve_mel_frame(mel, NULL, values));
    NULL_POINTER(sleeve_mel_frame(mel, samples, NULL));
    NULL_POINTER(sleeve_mel_compute(NULL, samples, 512, values, 8, &frames));
    NULL_POINTER(sleeve_mel_compute(mel, NULL, 512, values, 8, &frames));
    NULL_POINTER(sleeve_mel_compute(mel, samples, 512, NULL, 8, &frames));
    NULL_POINTER(sleeve_mel_compute(mel, samples, 512, values, 8, NULL));
    INVALID(sleeve_mel_compute(mel, samples, 512, values, 0, &frames));
    INVALID(sleeve_mel_compute(mel, samples, (size_t)-1, values, (size_t)-1, &frames));
    OK(sleeve_mel_compute(mel, samples, 0, values, 8, &frames));
    CHECK(frames == sleeve_mel_frame_count(0));
    samples[3] = NAN;
    samples[4] = INFINITY;
    OK(sleeve_mel_frame(mel, samples, values));
    (void)sleeve_mel_frame_count((uint64_t)-1);
    sleeve_mel_free(mel);
    sleeve_mel_free(NULL);
}

/* Files that are cut and damaged: a status, no crash. */
static void damaged_libraries(const char *whole, const char *damaged) {
    size_t size;
    uint8_t *bytes = contents(whole, &size);
    unsigned state = 11;
    for (int round = 0; round < 120; ++round) {
        state = state * 1664525u + 1013904223u;
        const size_t at = (state >> 8) % size;
        const uint8_t was = bytes[at];
        size_t length = size;
        if (round % 4 == 0) length = at;
        /* Not in the commit slots: those are read again for a while, as a writer might be at work. */
        else if (at < 64 || at >= 192) bytes[at] = (uint8_t)~was;
        FILE *stream = fopen(damaged, "wb");
        CHECK(stream != NULL && fwrite(bytes, 1, length, stream) == length);
        fclose(stream);
        bytes[at] = was;
        sleeve_library *library = NULL;
        const sleeve_status status = sleeve_library_open(damaged, &library);
        CHECK(status == SLEEVE_STATUS_OK || status == SLEEVE_STATUS_LIBRARY);
        sleeve_library_free(library);
    }
    free(bytes);
}

static void tracks(sleeve_track **out) {
    sleeve_track *track = nowhere;
    NULL_POINTER(sleeve_track_new(NULL, &track));
    NULL_POINTER(sleeve_track_new("a", NULL));
    OK(sleeve_track_new("a.ogg", &track));
    NULL_POINTER(sleeve_track_set_seconds(NULL, 1));
    INVALID(sleeve_track_set_seconds(track, -1));
    INVALID(sleeve_track_set_seconds(track, (double)NAN));
    INVALID(sleeve_track_set_seconds(track, (double)INFINITY));
    NULL_POINTER(sleeve_track_set_tag(NULL, "artist", "x"));
    NULL_POINTER(sleeve_track_set_tag(track, NULL, "x"));
    NULL_POINTER(sleeve_track_set_tag(track, "artist", NULL));
    INVALID(sleeve_track_set_tag(track, "colour", "x"));
    INVALID(sleeve_track_set_tag(track, "artist", "\xc3\x28"));
    NULL_POINTER(sleeve_track_set_year(NULL, 1));
    OK(sleeve_track_set_year(track, INT32_MIN + 1));
    NULL_POINTER(sleeve_track_read_file(NULL, "a"));
    NULL_POINTER(sleeve_track_read_file(track, NULL));
    EXPECT(SLEEVE_STATUS_IO, sleeve_track_read_file(track, "/nowhere"));
    OK(sleeve_track_set_seconds(track, 100));
    sleeve_track_free(NULL);
    *out = track;
}

static void writers(const sleeve_extractor *extractor, const sleeve_track *track, const char *file) {
    sleeve_library_writer *writer = nowhere;
    NULL_POINTER(sleeve_library_writer_create(NULL, "", extractor, &writer));
    NULL_POINTER(sleeve_library_writer_create(file, NULL, extractor, &writer));
    NULL_POINTER(sleeve_library_writer_create(file, "", NULL, &writer));
    NULL_POINTER(sleeve_library_writer_create(file, "", extractor, NULL));
    EXPECT(SLEEVE_STATUS_IO, sleeve_library_writer_create("/nowhere/a/b", "", extractor, &writer));
    NULL_POINTER(sleeve_library_writer_open(NULL, &writer));
    NULL_POINTER(sleeve_library_writer_open(file, NULL));
    EXPECT(SLEEVE_STATUS_IO, sleeve_library_writer_open("/nowhere/a", &writer));
    NULL_POINTER(sleeve_library_writer_create_other(NULL, "", "m", "0", 2, &writer));
    NULL_POINTER(sleeve_library_writer_create_other(file, NULL, "m", "0", 2, &writer));
    NULL_POINTER(sleeve_library_writer_create_other(file, "", NULL, "0", 2, &writer));
    NULL_POINTER(sleeve_library_writer_create_other(file, "", "m", NULL, 2, &writer));
    NULL_POINTER(sleeve_library_writer_create_other(file, "", "m", "0", 2, NULL));
    INVALID(sleeve_library_writer_create_other(file, "", "m", "0", 0, &writer));
    INVALID(sleeve_library_writer_create_other(file, "", "m", "0", (size_t)-1, &writer));
    OK(sleeve_library_writer_create_other(file, "", "m", "0", 2, &writer));
    sleeve_library_writer *second = nowhere;
    EXPECT(SLEEVE_STATUS_LIBRARY, sleeve_library_writer_open(file, &second));

    static float silence[64000];
    const float vector[] = {1, 0}, nothing[] = {0, 0}, infinite[] = {INFINITY, 0};
    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_samples(extractor, silence, 64000, 1, 16000, &analysis));
    NULL_POINTER(sleeve_library_writer_add(NULL, track, analysis, true));
    NULL_POINTER(sleeve_library_writer_add(writer, NULL, analysis, true));
    NULL_POINTER(sleeve_library_writer_add(writer, track, NULL, true));
    INVALID(sleeve_library_writer_add(writer, track, analysis, true));
    sleeve_analysis_free(analysis);
    NULL_POINTER(sleeve_library_writer_add_vector(NULL, track, vector, 2));
    NULL_POINTER(sleeve_library_writer_add_vector(writer, NULL, vector, 2));
    NULL_POINTER(sleeve_library_writer_add_vector(writer, track, NULL, 2));
    NULL_POINTER(sleeve_library_writer_add_vector(writer, track, NULL, 0));
    INVALID(sleeve_library_writer_add_vector(writer, track, vector, (size_t)-1));
    INVALID(sleeve_library_writer_add_vector(writer, track, vector, 1));
    INVALID(sleeve_library_writer_add_vector(writer, track, nothing, 2));
    INVALID(sleeve_library_writer_add_vector(writer, track, infinite, 2));
    OK(sleeve_library_writer_add_vector(writer, track, vector, 2));
    NULL_POINTER(sleeve_library_writer_replace(NULL, 0, track));
    NULL_POINTER(sleeve_library_writer_replace(writer, 0, NULL));
    INVALID(sleeve_library_writer_replace(writer, 0, track));
    INVALID(sleeve_library_writer_replace(writer, (size_t)-1, track));
    NULL_POINTER(sleeve_library_writer_remove(NULL, 0));
    INVALID(sleeve_library_writer_remove(writer, (size_t)-1));
    NULL_POINTER(sleeve_library_writer_flush(NULL));
    NULL_POINTER(sleeve_library_writer_finish(NULL));
    OK(sleeve_library_writer_finish(writer));
    INVALID(sleeve_library_writer_finish(writer));
    INVALID(sleeve_library_writer_flush(writer));
    sleeve_library_writer_free(writer);
    sleeve_library_writer_free(NULL);
}

static void queries(sleeve_query **out) {
    sleeve_query *query = nowhere;
    const float vector[] = {1, 0, 0};
    NULL_POINTER(sleeve_query_new(NULL));
    OK(sleeve_query_new(&query));
    NULL_POINTER(sleeve_query_add_track(NULL, 0, 1));
    NULL_POINTER(sleeve_query_add_vector(NULL, vector, 3, 1));
    NULL_POINTER(sleeve_query_add_vector(query, NULL, 3, 1));
    NULL_POINTER(sleeve_query_add_vector(query, NULL, 0, 1));
    INVALID(sleeve_query_add_vector(query, vector, (size_t)-1, 1));
    NULL_POINTER(sleeve_query_set_count(NULL, 1));
    NULL_POINTER(sleeve_query_set_max_per_artist(NULL, 1));
    NULL_POINTER(sleeve_query_set_max_per_album(NULL, 1));
    NULL_POINTER(sleeve_query_set_duplicates(NULL, "keep"));
    NULL_POINTER(sleeve_query_set_duplicates(query, NULL));
    INVALID(sleeve_query_set_duplicates(query, "perhaps"));
    NULL_POINTER(sleeve_query_set_duplicate_rule(NULL, 1, 1));
    INVALID(sleeve_query_set_duplicate_rule(query, NAN, 1));
    INVALID(sleeve_query_set_duplicate_rule(query, 1, -1));
    NULL_POINTER(sleeve_query_set_precision(NULL, "f32"));
    NULL_POINTER(sleeve_query_set_precision(query, NULL));
    INVALID(sleeve_query_set_precision(query, "f16"));
    NULL_POINTER(sleeve_query_set_threads(NULL, 1));
    INVALID(sleeve_query_set_threads(query, (size_t)-1));
    NULL_POINTER(sleeve_query_add_filter(NULL, "artist", "x"));
    NULL_POINTER(sleeve_query_add_filter(query, NULL, "x"));
    NULL_POINTER(sleeve_query_add_filter(query, "artist", NULL));
    INVALID(sleeve_query_add_filter(query, "colour", "x"));
    INVALID(sleeve_query_add_filter(query, "artist", "\xff"));
    NULL_POINTER(sleeve_query_set_years(NULL, 0, 1));
    INVALID(sleeve_query_set_years(query, 1, 0));
    NULL_POINTER(sleeve_query_add_bound(NULL, "rock", true, 0));
    NULL_POINTER(sleeve_query_add_bound(query, NULL, true, 0));
    NULL_POINTER(sleeve_query_exclude(NULL, 0));
    OK(sleeve_query_exclude(query, (size_t)-1));
    NULL_POINTER(sleeve_query_set_playlist(NULL, 0, 0, 0));
    INVALID(sleeve_query_set_playlist(query, NAN, 0, 0));
    INVALID(sleeve_query_set_playlist(query, 0, 2, 0));
    NULL_POINTER(sleeve_query_set_seed(NULL, 1));
    sleeve_query_free(NULL);
    *out = query;
}

static void libraries(const sleeve_extractor *extractor, const sleeve_extractor *alone, const char *folder) {
    char file[4096], damaged[4096];
    snprintf(file, sizeof file, "%s/hostile.library", folder);
    snprintf(damaged, sizeof damaged, "%s/damaged.library", folder);
    sleeve_track *track;
    tracks(&track);
    writers(extractor, track, file);
    sleeve_track_free(track);
    damaged_libraries(file, damaged);

    sleeve_library *library = nowhere;
    NULL_POINTER(sleeve_library_open(NULL, &library));
    NULL_POINTER(sleeve_library_open(file, NULL));
    EXPECT(SLEEVE_STATUS_IO, sleeve_library_open("/nowhere", &library));
    OK(sleeve_library_open(file, &library));
    CHECK(sleeve_library_track_count(NULL) == 0 && sleeve_library_track_count(library) == 1);
    CHECK(sleeve_library_dim(NULL) == 0 && sleeve_library_dim(library) == 2);
    CHECK(sleeve_library_model(NULL) == NULL && sleeve_library_model_sha256(NULL) == NULL);
    CHECK(sleeve_library_class_name(NULL, 0) == NULL && sleeve_library_class_name(library, 0) == NULL);
    CHECK(!sleeve_library_has_changed(NULL) && !sleeve_library_has_changed(library));
    NULL_POINTER(sleeve_library_check_extractor(NULL, extractor));
    NULL_POINTER(sleeve_library_check_extractor(library, NULL));
    INVALID(sleeve_library_check_extractor(library, alone));
    EXPECT(SLEEVE_STATUS_LIBRARY, sleeve_library_check_extractor(library, extractor));
    char byte = 'x';
    CHECK(sleeve_library_text(NULL, 0, "path", &byte, 1) == 0);
    CHECK(sleeve_library_text(library, 0, NULL, &byte, 1) == 0);
    CHECK(sleeve_library_text(library, 0, "colour", &byte, 1) == 0);
    CHECK(sleeve_library_text(library, (size_t)-1, "path", &byte, 1) == 0 && byte == 'x');
    CHECK(sleeve_library_text(library, 0, "path", &byte, 1) == 5 && byte == '\0');
    CHECK(sleeve_library_text(library, 0, "path", NULL, 99) == 5);
    byte = 'x';
    CHECK(sleeve_library_file(NULL, 0, &byte, 1) == 0 && sleeve_library_file(library, 7, &byte, 1) == 0);
    CHECK(sleeve_library_file(library, 0, &byte, 1) == 5 && byte == 'x');
    CHECK(sleeve_library_file(library, 0, NULL, 0) == 5);
    CHECK(sleeve_library_seconds(NULL, 0) == 0 && sleeve_library_seconds(library, (size_t)-1) == 0);
    CHECK(sleeve_library_year(NULL, 0) == 0 && sleeve_library_year(library, (size_t)-1) == 0);
    const float *values = NULL;
    size_t count = 0;
    NULL_POINTER(sleeve_library_vector(NULL, 0, &values, &count));
    NULL_POINTER(sleeve_library_vector(library, 0, NULL, &count));
    NULL_POINTER(sleeve_library_vector(library, 0, &values, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_vector(library, (size_t)-1, &values, &count));
    NULL_POINTER(sleeve_library_activations(NULL, 0, &values, &count));
    NULL_POINTER(sleeve_library_activations(library, 0, NULL, &count));
    NULL_POINTER(sleeve_library_activations(library, 0, &values, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_activations(library, 1, &values, &count));
    NULL_POINTER(sleeve_library_patches(NULL, 0, &values, &count));
    NULL_POINTER(sleeve_library_patches(library, 0, NULL, &count));
    NULL_POINTER(sleeve_library_patches(library, 0, &values, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_patches(library, 1, &values, &count));
    OK(sleeve_library_patches(library, 0, &values, &count));
    CHECK(values == NULL && count == 0);
    NULL_POINTER(sleeve_library_find_path(NULL, "a", &count));
    NULL_POINTER(sleeve_library_find_path(library, NULL, &count));
    NULL_POINTER(sleeve_library_find_path(library, "a", NULL));
#ifdef _WIN32
    /* Paths are UTF-8 there, and nothing else. */
    INVALID(sleeve_library_find_path(library, "\xff", &count));
#else
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_find_path(library, "\xff", &count));
#endif
    float cosine;
    NULL_POINTER(sleeve_library_cosine(NULL, 0, 0, &cosine));
    NULL_POINTER(sleeve_library_cosine(library, 0, 0, NULL));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_cosine(library, (size_t)-1, 0, &cosine));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_library_cosine(library, 0, (size_t)-1, &cosine));

    sleeve_query *query;
    queries(&query);
    sleeve_tracks *found = nowhere;
    sleeve_status (*const all[])(const sleeve_library *, const sleeve_query *, sleeve_tracks **) = {
        sleeve_library_find,
        sleeve_library_playlist,
        sleeve_library_sample,
        sleeve_library_duplicates,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        NULL_POINTER(all[i](NULL, query, &found));
        NULL_POINTER(all[i](library, NULL, &found));
        NULL_POINTER(all[i](library, query, NULL));
    }
    NULL_POINTER(sleeve_library_find(NULL, query, &found));
    NULL_POINTER(sleeve_library_playlist(NULL, query, &found));
    NULL_POINTER(sleeve_library_sample(NULL, query, &found));
    NULL_POINTER(sleeve_library_duplicates(NULL, query, &found));
    NULL_POINTER(sleeve_library_path(NULL, query, 0, 1, &found));
    NULL_POINTER(sleeve_library_path(library, NULL, 0, 1, &found));
    NULL_POINTER(sleeve_library_path(library, query, 0, 1, NULL));
    INVALID(sleeve_library_path(library, query, 0, (size_t)-1, &found));
    INVALID(sleeve_library_path(library, query, 0, 0, &found));
    /* Without a seed, with a seed that does not exist, and with a huge count. */
    INVALID(sleeve_library_find(library, query, &found));
    OK(sleeve_query_add_track(query, (size_t)-1, 1));
    INVALID(sleeve_library_find(library, query, &found));
    INVALID(sleeve_library_playlist(library, query, &found));
    sleeve_query_free(query);
    OK(sleeve_query_new(&query));
    OK(sleeve_query_add_track(query, 0, 1));
    OK(sleeve_query_set_count(query, (size_t)-1));
    OK(sleeve_library_find(library, query, &found));
    CHECK(sleeve_tracks_count(found) == 0);
    sleeve_tracks_free(found);
    OK(sleeve_query_set_duplicates(query, "skip"));
    OK(sleeve_library_find(library, query, &found));
    sleeve_tracks_free(found);
    OK(sleeve_library_playlist(library, query, &found));
    CHECK(sleeve_tracks_count(found) == 1 && sleeve_tracks_count(NULL) == 0);
    size_t index, other;
    NULL_POINTER(sleeve_tracks_get(NULL, 0, &index, &cosine, &other));
    NULL_POINTER(sleeve_tracks_get(found, 0, NULL, &cosine, &other));
    NULL_POINTER(sleeve_tracks_get(found, 0, &index, NULL, &other));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_tracks_get(found, (size_t)-1, &index, &cosine, &other));
    OK(sleeve_tracks_get(found, 0, &index, &cosine, NULL));
    CHECK(sleeve_tracks_group(NULL, 0) == 0 && sleeve_tracks_group(found, (size_t)-1) == 0);
    sleeve_tracks_free(found);
    sleeve_tracks_free(NULL);
    OK(sleeve_library_sample(library, query, &found));
    sleeve_tracks_free(found);
    OK(sleeve_query_add_vector(query, (const float[]){1, 2, 3}, 3, 1));
    INVALID(sleeve_library_find(library, query, &found));
    OK(sleeve_query_add_bound(query, "no such class", true, NAN));
    INVALID(sleeve_library_sample(library, query, &found));
    sleeve_query_free(query);
    sleeve_library_free(library);
    sleeve_library_free(NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    (void)sleeve_version();
    (void)sleeve_abi_version();
    CHECK(sleeve_status_name(1 << 30) != NULL);
    CHECK(sleeve_last_error(NULL, 100) == 0);
    char byte = 'x';
    CHECK(sleeve_last_error(&byte, 0) == 0 && byte == 'x');
    CHECK(sleeve_last_error(&byte, 1) == 0 && byte == '\0');
    CHECK(sleeve_device_count() > 0);
    CHECK(sleeve_device_name((size_t)-1, NULL, 100) == 0);
    CHECK(sleeve_device_description((size_t)-1, NULL, 100) == 0);
    OK(sleeve_set_log_callback(NULL, NULL, 99));

    sleeve_model *model, *head;
    OK(sleeve_model_bundled(NULL, &model));
    OK(sleeve_model_open(argv[2], &head));
    models(argv[1]);
    options(head);
    extractors(model, head);
    mel();
    sleeve_extractor *extractor, *alone;
    OK(sleeve_extractor_new(model, NULL, &extractor));
    OK(sleeve_extractor_new(head, NULL, &alone));
    libraries(extractor, alone, argv[3]);
    sleeve_extractor_free(extractor);
    sleeve_extractor_free(alone);
    sleeve_model_free(head);
    sleeve_model_free(model);
    printf("hostile: ok\n");
    return 0;
}
