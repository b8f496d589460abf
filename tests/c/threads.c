/* What the header lets threads do at once: threads FOLDER SECONDS. They share one extractor and one library, have a stream
 * each with a thread at either end, run a batch, and change the log callback.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { RATE = 16000, SAMPLES = 5 * RATE, TRACKS = 500, DIM = 32 };

static float samples[SAMPLES];
static sleeve_extractor *extractor;
static sleeve_library *library;
static const char *wav;
static double seconds;
static struct timespec start;
static uint64_t expected_rows, expected_tracks;
static atomic_uint_fast64_t records;

static bool is_over(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 > seconds;
}

/* FNV-1a, going on from `hash`. */
static uint64_t hashed(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static uint64_t of_analysis(const sleeve_analysis *analysis) {
    const float *values;
    size_t dim;
    OK(sleeve_analysis_output(analysis, 0, &values, &dim));
    const size_t count = sleeve_analysis_patch_count(analysis) * dim;
    CHECK(count > 0);
    return hashed(1, values, count * sizeof *values);
}

static uint64_t whole(void) {
    sleeve_analysis *analysis = NULL;
    OK(sleeve_extractor_run_samples(extractor, samples, SAMPLES, 1, RATE, &analysis));
    const uint64_t hash = of_analysis(analysis);
    sleeve_analysis_free(analysis);
    return hash;
}

static void *extract(void *nothing) {
    (void)nothing;
    do CHECK(whole() == expected_rows);
    while (!is_over());
    return NULL;
}

/* ---- A stream with a thread at either end ---- */

static void *write_all(void *writer) {
    size_t done = 0;
    while (done < SAMPLES) {
        const size_t block = SAMPLES - done < 997 ? SAMPLES - done : 997;
        size_t taken = 0;
        const sleeve_status status = sleeve_stream_writer_write(writer, samples + done, block, &taken);
        CHECK(status == SLEEVE_STATUS_OK || status == SLEEVE_STATUS_WOULD_BLOCK);
        done += taken;
        if (taken == 0) sched_yield();
    }
    OK(sleeve_stream_writer_finish(writer));
    return NULL;
}

static void *stream(void *nothing) {
    (void)nothing;
    do {
        sleeve_stream_writer *writer = NULL;
        sleeve_stream_reader *reader = NULL;
        pthread_t thread;
        /* A queue of a second: the writer meets its end. */
        OK(sleeve_stream_new(extractor, RATE, 1, RATE, &writer, &reader));
        CHECK(pthread_create(&thread, NULL, write_all, writer) == 0);
        uint64_t hash = 1;
        sleeve_status status;
        while ((status = sleeve_stream_reader_next(reader)) != SLEEVE_STATUS_FINISHED) {
            CHECK(status == SLEEVE_STATUS_OK || status == SLEEVE_STATUS_WOULD_BLOCK);
            if (status == SLEEVE_STATUS_OK) {
                const float *values;
                size_t dim;
                OK(sleeve_stream_reader_output(reader, 0, &values, &dim));
                hash = hashed(hash, values, dim * sizeof *values);
            } else {
                sched_yield();
            }
        }
        CHECK(hash == expected_rows);
        CHECK(pthread_join(thread, NULL) == 0);
        sleeve_stream_reader_free(reader);
        sleeve_stream_writer_free(writer);
    } while (!is_over());
    return NULL;
}

/* ---- A library ---- */

static void make_library(const char *file) {
    sleeve_library_writer *writer = NULL;
    unsigned state = 1;
    OK(sleeve_library_writer_create_other(file, "", "threads", "", DIM, &writer));
    for (int i = 0; i < TRACKS; ++i) {
        char name[32];
        float vector[DIM];
        sleeve_track *track = NULL;
        snprintf(name, sizeof name, "/music/%d.wav", i);
        OK(sleeve_track_new(name, &track));
        for (int j = 0; j < DIM; ++j) {
            state = state * 1664525u + 1013904223u;
            vector[j] = (float)(state >> 8) / 16777216.0f - 0.5f;
        }
        OK(sleeve_library_writer_add_vector(writer, track, vector, DIM));
        sleeve_track_free(track);
    }
    OK(sleeve_library_writer_finish(writer));
    sleeve_library_writer_free(writer);
}

static uint64_t found(void) {
    sleeve_query *query = NULL;
    sleeve_tracks *tracks = NULL;
    uint64_t hash = 1;
    OK(sleeve_query_new(&query));
    OK(sleeve_query_add_track(query, 7, 1));
    OK(sleeve_query_set_count(query, 20));
    OK(sleeve_query_set_threads(query, 3));
    OK(sleeve_library_find(library, query, &tracks));
    CHECK(sleeve_tracks_count(tracks) == 20);
    for (size_t i = 0; i < sleeve_tracks_count(tracks); ++i) {
        size_t track;
        float cosine;
        OK(sleeve_tracks_get(tracks, i, &track, &cosine, NULL));
        hash = hashed(hashed(hash, &track, sizeof track), &cosine, sizeof cosine);
    }
    sleeve_tracks_free(tracks);
    sleeve_query_free(query);
    return hash;
}

static void *search(void *nothing) {
    (void)nothing;
    do CHECK(found() == expected_tracks);
    while (!is_over());
    return NULL;
}

/* ---- A batch ---- */

static void result(void *user_data, size_t index, sleeve_status status, const char *message,
                   sleeve_analysis *analysis) {
    (void)index, (void)message;
    CHECK(status == SLEEVE_STATUS_OK);
    CHECK(of_analysis(analysis) == expected_rows);
    sleeve_analysis_free(analysis);
    ++*(size_t *)user_data;
}

static void *batch(void *nothing) {
    (void)nothing;
    do {
        const char *const paths[] = {wav, wav, wav, wav};
        size_t seen = 0, done = 0;
        OK(sleeve_batch_run(extractor, paths, 4, 3, result, NULL, &seen, &done));
        CHECK(seen == 4 && done == 4);
    } while (!is_over());
    return NULL;
}

/* ---- The log callback ---- */

static void record(void *user_data, sleeve_log_level level, const char *target, const char *message) {
    CHECK(level >= SLEEVE_LOG_ERROR && level <= SLEEVE_LOG_TRACE && strlen(target) > 0 && message != NULL);
    atomic_fetch_add((atomic_uint_fast64_t *)user_data, 1);
}

static void *log_or_not(void *nothing) {
    (void)nothing;
    do {
        OK(sleeve_set_log_callback(record, &records, 5));
        sleeve_model *model = NULL;
        sleeve_extractor *other = NULL;
        OK(sleeve_model_bundled(NULL, &model));
        OK(sleeve_extractor_new(model, NULL, &other));
        sleeve_extractor_free(other);
        sleeve_model_free(model);
        OK(sleeve_set_log_callback(NULL, NULL, 0));
    } while (!is_over());
    return NULL;
}

/* ---- All of it ---- */

static void put(unsigned char *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) at[i] = (unsigned char)(value >> 8 * i);
}

/* The samples are whole numbers of 16 bits, so that a file gives the same ones. */
static void make_wav(const char *file) {
    unsigned char header[44] = "RIFF....WAVEfmt ";
    unsigned state = 1;
    FILE *out = fopen(file, "wb");
    CHECK(out != NULL);
    put(header + 4, 36 + 2 * SAMPLES, 4);
    put(header + 16, 16, 4);
    put(header + 20, 1, 2);
    put(header + 22, 1, 2);
    put(header + 24, RATE, 4);
    put(header + 28, 2 * RATE, 4);
    put(header + 32, 2, 2);
    put(header + 34, 16, 2);
    memcpy(header + 36, "data", 4);
    put(header + 40, 2 * SAMPLES, 4);
    CHECK(fwrite(header, 1, sizeof header, out) == sizeof header);
    for (int i = 0; i < SAMPLES; ++i) {
        state = state * 1664525u + 1013904223u;
        const int16_t value = (int16_t)((int)(state >> 18) - 8192);
        unsigned char bytes[2];
        put(bytes, (uint16_t)value, 2);
        samples[i] = (float)value / 32768.0f;
        CHECK(fwrite(bytes, 1, 2, out) == 2);
    }
    CHECK(fclose(out) == 0);
}

int main(int argc, char **argv) {
    static void *(*const works[])(void *) = {extract, extract, extract, stream, stream,    search,
                                             search,  search,  batch,   batch,  log_or_not, log_or_not};
    enum { WORKS = sizeof works / sizeof *works };
    char wav_file[4096], library_file[4096];
    pthread_t threads[WORKS];
    sleeve_model *model = NULL;
    CHECK(argc == 3);
    snprintf(wav_file, sizeof wav_file, "%s/threads.wav", argv[1]);
    snprintf(library_file, sizeof library_file, "%s/threads.library", argv[1]);
    wav = wav_file;
    make_wav(wav);
    make_library(library_file);
    OK(sleeve_model_bundled(NULL, &model));
    OK(sleeve_extractor_new(model, NULL, &extractor));
    OK(sleeve_library_open(library_file, &library));
    expected_rows = whole();
    expected_tracks = found();

    seconds = atof(argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < WORKS; ++i) CHECK(pthread_create(&threads[i], NULL, works[i], NULL) == 0);
    for (int i = 0; i < WORKS; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&records) > 0);
    sleeve_library_free(library);
    sleeve_extractor_free(extractor);
    sleeve_model_free(model);
    printf("%d threads: the same bits, %llu records\n", (int)WORKS, (unsigned long long)atomic_load(&records));
    return 0;
}
