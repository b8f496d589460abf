/* The C API as a host uses it: api RECORDING HEAD SMALL. The recording is decoded; the head has 200 inputs; SMALL is a model that gives 6 values. */
#include "check.h"

#include <math.h>
#include <string.h>

static int records;

static void on_record(void *user_data, sleeve_log_level level, const char *target, const char *message) {
    CHECK(user_data == &records);
    CHECK(level >= SLEEVE_LOG_ERROR && level <= SLEEVE_LOG_TRACE);
    CHECK(strlen(target) > 0 && message != NULL);
    ++records;
}

/* Mono noise, the same on every platform. */
static float *noise(size_t count) {
    float *samples = malloc(count * sizeof *samples);
    CHECK(samples != NULL);
    unsigned state = 1;
    for (size_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    return samples;
}

static void versions(void) {
    CHECK(strcmp(sleeve_version(), SLEEVE_VERSION) == 0);
    CHECK(sleeve_abi_version() == SLEEVE_ABI_VERSION);
    CHECK(strcmp(sleeve_status_name(SLEEVE_STATUS_AUDIO), "not decodable audio") == 0);
    CHECK(strcmp(sleeve_status_name(-1), "unknown status") == 0);
    char name[16];
    CHECK(sleeve_device_count() >= 1);
    CHECK(sleeve_device_name(0, name, sizeof name) == 3 && strcmp(name, "cpu") == 0);
    CHECK(sleeve_device_name(9999, name, sizeof name) == 0);
    CHECK(sleeve_device_description(0, NULL, 0) > 0);
}

static void errors(void) {
    sleeve_model *model = (sleeve_model *)&records;
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_model_bundled("no-such-model", &model));
    /* An out-parameter is not written. */
    CHECK(model == (sleeve_model *)&records);
    char message[256];
    const size_t length = sleeve_last_error(message, sizeof message);
    CHECK(length == strlen(message) && strstr(message, "no-such-model") != NULL);
    char start[6];
    CHECK(sleeve_last_error(start, sizeof start) == length);
    CHECK(strncmp(start, message, 5) == 0 && start[5] == '\0');
    CHECK(sleeve_last_error(NULL, 0) == length);
}

static void samples_and_patches(const sleeve_extractor *extractor, const sleeve_model *model) {
    const uint32_t rate = sleeve_model_sample_rate(model);
    const size_t count = 5 * (size_t)rate;
    float *samples = noise(count);
    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_samples(extractor, samples, count, 1, rate, &analysis));
    const size_t patches = sleeve_analysis_patch_count(analysis);
    CHECK(patches > 1);
    const double *times = sleeve_analysis_times(analysis);
    for (size_t i = 1; i < patches; ++i) CHECK(times[i] > times[i - 1]);
    const float *values;
    size_t dim;
    OK(sleeve_analysis_predictions(analysis, &values, &dim));
    for (size_t i = 0; i < patches * dim; ++i) CHECK(values[i] >= 0 && values[i] <= 1);
    for (size_t i = 0; i < dim; ++i) CHECK(sleeve_analysis_class_name(analysis, i) != NULL);
    CHECK(sleeve_analysis_class_name(analysis, dim) == NULL);
    CHECK(sleeve_analysis_warning(analysis, 0) == NULL);

    /* The same from stereo with equal channels, and from a patch of mel frames computed separately. */
    float *stereo = malloc(2 * count * sizeof *stereo);
    CHECK(stereo != NULL);
    for (size_t i = 0; i < count; ++i) stereo[2 * i] = stereo[2 * i + 1] = samples[i];
    sleeve_analysis *from_stereo;
    OK(sleeve_extractor_run_samples(extractor, stereo, count, 2, rate, &from_stereo));
    const float *other;
    OK(sleeve_analysis_predictions(from_stereo, &other, &dim));
    CHECK(sleeve_analysis_patch_count(from_stereo) == patches);
    CHECK(memcmp(values, other, patches * dim * sizeof *values) == 0);
    sleeve_analysis_free(from_stereo);
    free(stereo);

    sleeve_mel *mel;
    OK(sleeve_mel_new(&mel));
    size_t frames = (size_t)sleeve_mel_frame_count(count), bands;
    float *spectrogram = malloc(frames * SLEEVE_MEL_BANDS * sizeof *spectrogram);
    CHECK(spectrogram != NULL);
    OK(sleeve_mel_compute(mel, samples, count, spectrogram, frames, &frames));
    float frame[SLEEVE_MEL_BANDS];
    OK(sleeve_mel_frame(mel, samples, frame));
    CHECK(memcmp(frame, spectrogram + SLEEVE_MEL_BANDS, sizeof frame) == 0);
    INVALID(sleeve_mel_compute(mel, samples, count, spectrogram, frames - 1, &frames));
    sleeve_mel_free(mel);
    OK(sleeve_model_input(model, &frames, &bands));
    CHECK(bands == SLEEVE_MEL_BANDS);
    sleeve_analysis *from_patches;
    OK(sleeve_extractor_run_patches(extractor, spectrogram, 1, frames, bands, &from_patches));
    OK(sleeve_analysis_predictions(from_patches, &other, &dim));
    CHECK(memcmp(values, other, dim * sizeof *values) == 0);
    INVALID(sleeve_extractor_run_patches(extractor, spectrogram, 1, frames - 1, bands, &from_patches));
    INVALID(sleeve_extractor_run_embeddings(extractor, spectrogram, 1, 200, &from_patches));
    sleeve_analysis_free(from_patches);
    free(spectrogram);

    /* The same from a stream, in blocks of 17 audio frames. */
    sleeve_stream_writer *writer;
    sleeve_stream_reader *reader;
    OK(sleeve_stream_new(extractor, rate, 1, 0, &writer, &reader));
    size_t pushed = 0, rows = 0;
    bool is_over = false;
    while (!is_over) {
        size_t block = count - pushed < 17 ? count - pushed : 17, taken;
        if (block > 0) {
            OK(sleeve_stream_writer_write(writer, samples + pushed, block, &taken));
            CHECK(taken == block);
            if ((pushed += taken) == count) OK(sleeve_stream_writer_finish(writer));
        }
        sleeve_status status;
        while ((status = sleeve_stream_reader_next(reader)) == SLEEVE_STATUS_OK) {
            CHECK(sleeve_stream_reader_index(reader) == rows);
            CHECK(sleeve_stream_reader_time(reader) == times[rows]);
            bool found = false;
            for (size_t i = 0; i < sleeve_extractor_output_count(extractor); ++i) {
                size_t width;
                OK(sleeve_stream_reader_output(reader, i, &other, &width));
                found |= width == dim && memcmp(other, values + rows * dim, dim * sizeof *values) == 0;
            }
            CHECK(found);
            ++rows;
        }
        is_over = status == SLEEVE_STATUS_FINISHED;
        if (!is_over) EXPECT(SLEEVE_STATUS_WOULD_BLOCK, status);
    }
    CHECK(rows == patches);
    sleeve_stream_reader_free(reader);
    sleeve_stream_writer_free(writer);

    /* Means. */
    size_t output = 0, width;
    sleeve_purpose purpose;
    OK(sleeve_extractor_output(extractor, output, &purpose, &width));
    while (purpose != SLEEVE_PURPOSE_PREDICTIONS) OK(sleeve_extractor_output(extractor, ++output, &purpose, &width));
    CHECK(strlen(sleeve_extractor_output_model(extractor, output)) > 0);
    CHECK(strlen(sleeve_extractor_output_tensor(extractor, output)) > 0);
    CHECK(strcmp(sleeve_extractor_class_name(extractor, output, 0), sleeve_analysis_class_name(analysis, 0)) == 0);
    float *mean = malloc(width * sizeof *mean);
    CHECK(mean != NULL);
    OK(sleeve_analysis_mean(analysis, output, mean, width));
    for (size_t i = 0; i < width; ++i) {
        double sum = 0;
        for (size_t patch = 0; patch < patches; ++patch) sum += values[patch * width + i];
        CHECK(fabs(mean[i] - sum / (double)patches) < 1e-5);
    }
    INVALID(sleeve_analysis_mean(analysis, output, mean, width - 1));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_mean(analysis, 99, mean, width));
    free(mean);
    sleeve_analysis_free(analysis);

    /* Too short for a patch: no rows, and no mean. */
    OK(sleeve_extractor_run_samples(extractor, samples, 100, 1, rate, &analysis));
    CHECK(sleeve_analysis_patch_count(analysis) == 0);
    CHECK(sleeve_analysis_times(analysis) == NULL);
    sleeve_analysis_free(analysis);
    free(samples);
}

static void heads(const sleeve_model *model, const char *file) {
    sleeve_model *head;
    OK(sleeve_model_open(file, &head));
    CHECK(sleeve_model_is_head(head) && !sleeve_model_is_head(model));
    size_t rows, dim;
    OK(sleeve_model_input(head, &rows, &dim));
    CHECK(rows == 1);

    sleeve_extractor *alone;
    OK(sleeve_extractor_new(head, NULL, &alone));
    float *embeddings = noise(3 * dim);
    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_embeddings(alone, embeddings, 3, dim, &analysis));
    CHECK(sleeve_analysis_patch_count(analysis) == 3);
    CHECK(sleeve_analysis_times(analysis) == NULL);
    sleeve_analysis_free(analysis);
    INVALID(sleeve_extractor_run_embeddings(alone, embeddings, 3, dim - 1, &analysis));
    INVALID(sleeve_extractor_run_samples(alone, embeddings, dim, 1, 16000, &analysis));
    INVALID(sleeve_extractor_run_file(alone, "any.wav", &analysis));
    free(embeddings);
    sleeve_extractor_free(alone);

    sleeve_options *options;
    OK(sleeve_options_new(&options));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_options_add_head(options, model));
    OK(sleeve_options_add_head(options, head));
    sleeve_model_free(head);
    sleeve_extractor *chained;
    OK(sleeve_extractor_new(model, options, &chained));
    sleeve_options_free(options);
    sleeve_extractor *plain;
    OK(sleeve_extractor_new(model, NULL, &plain));
    CHECK(sleeve_extractor_output_count(chained) == sleeve_extractor_output_count(plain) + 1);
    sleeve_extractor_free(plain);
    sleeve_extractor_free(chained);
}

static void options(const sleeve_model *model) {
    sleeve_options *options;
    OK(sleeve_options_new(&options));
    OK(sleeve_options_set_engine(options, "onnx"));
    OK(sleeve_options_set_device(options, "cpu"));
    OK(sleeve_options_set_precision(options, "f32"));
    OK(sleeve_options_set_resampler(options, "sinc"));
    OK(sleeve_options_set_level(options, "track"));
    OK(sleeve_options_set_ffmpeg(options, "auto"));
    OK(sleeve_options_set_ffmpeg(options, "/opt/ffmpeg"));
    OK(sleeve_options_set_last_patch(options, "repeat"));
    OK(sleeve_options_set_threads(options, 1));
    OK(sleeve_options_set_batch_size(options, 3));
    OK(sleeve_options_set_patch_hop(options, 40));
    OK(sleeve_options_add_output(options, "predictions"));
    INVALID(sleeve_options_set_engine(options, "tensorflow"));
    INVALID(sleeve_options_set_device(options, "gpu"));
    INVALID(sleeve_options_set_precision(options, "int4"));
    INVALID(sleeve_options_set_resampler(options, ""));
    INVALID(sleeve_options_set_level(options, "album"));
    INVALID(sleeve_options_set_ffmpeg(options, ""));
    INVALID(sleeve_options_set_last_patch(options, "\xff"));
    INVALID(sleeve_options_set_threads(options, (size_t)-1));
    INVALID(sleeve_options_set_batch_size(options, 4097));
    INVALID(sleeve_options_set_patch_hop(options, (size_t)-1));
    sleeve_extractor *extractor;
    OK(sleeve_extractor_new(model, options, &extractor));
    CHECK(sleeve_extractor_output_count(extractor) == 1);
    CHECK(strncmp(sleeve_extractor_engine(extractor), "onnx: cpu", 9) == 0);
    CHECK(sleeve_extractor_warning(extractor, 0) == NULL);
    /* Shorter than a patch, so it is repeated until it fills one. */
    float *samples = noise(16000);
    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_samples(extractor, samples, 16000, 1, 16000, &analysis));
    CHECK(sleeve_analysis_patch_count(analysis) >= 1);
    float lufs = 0, gain_db = 0;
    OK(sleeve_analysis_level(analysis, &lufs, &gain_db));
    CHECK(lufs > -70 && lufs < 10 && lufs + gain_db > -14.001f && lufs + gain_db < -13.999f);
    const float *values;
    size_t dim;
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_embeddings(analysis, &values, &dim));
    OK(sleeve_analysis_output(analysis, 0, &values, &dim));
    EXPECT(SLEEVE_STATUS_NOT_FOUND, sleeve_analysis_output(analysis, 1, &values, &dim));
    sleeve_analysis_free(analysis);
    free(samples);
    sleeve_extractor_free(extractor);
    OK(sleeve_options_add_output(options, "no-such-output"));
    EXPECT(SLEEVE_STATUS_MODEL, sleeve_extractor_new(model, options, &extractor));
    sleeve_options_free(options);
}

/* A model from memory is the same as from a file. */
static void from_memory(const char *file) {
    FILE *stream = fopen(file, "rb");
    CHECK(stream != NULL);
    CHECK(fseek(stream, 0, SEEK_END) == 0);
    const long size = ftell(stream);
    rewind(stream);
    uint8_t *bytes = malloc((size_t)size);
    CHECK(bytes != NULL && fread(bytes, 1, (size_t)size, stream) == (size_t)size);
    fclose(stream);
    sleeve_model *memory, *opened;
    OK(sleeve_model_from_memory(bytes, (size_t)size, NULL, 0, &memory));
    free(bytes);
    OK(sleeve_model_open(file, &opened));
    CHECK(strcmp(sleeve_model_sha256(memory), sleeve_model_sha256(opened)) == 0);
    CHECK(strlen(sleeve_model_name(opened)) > 0 && strlen(sleeve_model_json(opened)) > 0);
    sleeve_extractor *extractor;
    OK(sleeve_extractor_new(memory, NULL, &extractor));
    sleeve_model_free(opened);
    sleeve_model_free(memory);
    /* The extractor outlives its model. */
    CHECK(strstr(sleeve_extractor_engine(extractor), ": cpu") != NULL);
    float *samples = noise(80000);
    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_samples(extractor, samples, 80000, 1, 16000, &analysis));
    const float *values;
    size_t dim;
    OK(sleeve_analysis_embeddings(analysis, &values, &dim));
    CHECK(dim == 6 && sleeve_analysis_patch_count(analysis) >= 3);
    for (size_t i = 0; i < dim; ++i) CHECK(isfinite(values[i]));
    sleeve_analysis_free(analysis);
    free(samples);
    sleeve_extractor_free(extractor);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    CHECK(sleeve_last_error(NULL, 0) == 0);
    OK(sleeve_set_log_callback(on_record, &records, SLEEVE_LOG_TRACE));
    versions();
    errors();
    CHECK(strcmp(sleeve_bundled_name(0), "msd-musicnn-1") == 0);
    size_t bundled = 0;
    while (sleeve_bundled_name(bundled) != NULL) ++bundled;
    CHECK(bundled == 3);

    sleeve_model *model;
    OK(sleeve_model_bundled(NULL, &model));
    CHECK(strcmp(sleeve_model_name(model), sleeve_bundled_name(0)) == 0);
    CHECK(strlen(sleeve_model_sha256(model)) == 64);
    CHECK(sleeve_model_json(model)[0] == '{');
    sleeve_extractor *extractor;
    OK(sleeve_extractor_new(model, NULL, &extractor));
    samples_and_patches(extractor, model);
    heads(model, argv[2]);
    options(model);
    from_memory(argv[3]);

    sleeve_analysis *analysis;
    OK(sleeve_extractor_run_file(extractor, argv[1], &analysis));
    CHECK(sleeve_analysis_patch_count(analysis) > 0);
    const float *values;
    size_t dim;
    OK(sleeve_analysis_embeddings(analysis, &values, &dim));
    CHECK(dim == 200);
    sleeve_analysis_free(analysis);
    EXPECT(SLEEVE_STATUS_IO, sleeve_extractor_run_file(extractor, "/nowhere/song.wav", &analysis));
    char message[256];
    sleeve_last_error(message, sizeof message);
    CHECK(strstr(message, "/nowhere/song.wav") != NULL);
    EXPECT(SLEEVE_STATUS_AUDIO, sleeve_extractor_run_file(extractor, argv[3], &analysis));
    sleeve_extractor_free(extractor);
    sleeve_model_free(model);
    OK(sleeve_set_log_callback(NULL, NULL, 0));
    INVALID(sleeve_set_log_callback(on_record, NULL, 6));
    CHECK(records > 0);
    printf("api: ok\n");
    return 0;
}
