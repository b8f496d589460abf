/* Embeddings of many audio files at once, in C: one line of mean values a file, as CSV.
 *
 *     batch [-w WORKERS] FILE... > embeddings.csv
 *
 * Ctrl-C stops it; lines are whole.
 */
#include <sleeve/sleeve.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

typedef struct {
    char **files;
    size_t count;
    int failed;
} job;

/* The mean embedding of one recording. Called on the thread that called sleeve_batch_run, one at a time. */
static void on_result(void *user_data, size_t index, sleeve_status status, const char *message,
                      sleeve_analysis *analysis) {
    job *work = user_data;
    if (status != SLEEVE_STATUS_OK) {
        if (status != SLEEVE_STATUS_CANCELLED) fprintf(stderr, "\r%s\n", message);
        work->failed = 1;
        return;
    }
    const float *values;
    size_t dim, patches = sleeve_analysis_patch_count(analysis);
    if (patches == 0 || sleeve_analysis_embeddings(analysis, &values, &dim) != SLEEVE_STATUS_OK) {
        fprintf(stderr, "\r%s: shorter than a patch\n", work->files[index]);
        work->failed = 1;
    } else {
        printf("%s", work->files[index]);
        for (size_t i = 0; i < dim; ++i) {
            double sum = 0;
            for (size_t patch = 0; patch < patches; ++patch) sum += values[patch * dim + i];
            printf(",%.6g", sum / (double)patches);
        }
        printf("\n");
    }
    sleeve_analysis_free(analysis);
}

static bool on_progress(void *user_data, size_t done, size_t failed, double seconds) {
    const job *work = user_data;
    fprintf(stderr, "\r%zu of %zu files, %zu failed, %.0f s of audio ", done, work->count, failed, seconds);
    return !interrupted;
}

static int complain(const char *what, sleeve_status status) {
    char message[1024];
    sleeve_last_error(message, sizeof message);
    fprintf(stderr, "%s: %s (%s)\n", what, message, sleeve_status_name(status));
    return 1;
}

int main(int argc, char **argv) {
    size_t workers = 0;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-w") == 0) {
        workers = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    if (first >= argc || argv[first][0] == '-') {
        fprintf(stderr, "usage: %s [-w WORKERS] FILE...\n", argv[0]);
        return 2;
    }
    signal(SIGINT, on_interrupt);

    sleeve_model *model;
    sleeve_status status = sleeve_model_bundled(NULL, &model);
    if (status != SLEEVE_STATUS_OK) return complain("cannot open the model", status);
    sleeve_extractor *extractor;
    status = sleeve_extractor_new(model, NULL, &extractor);
    sleeve_model_free(model);
    if (status != SLEEVE_STATUS_OK) return complain("cannot run the model", status);

    job work = {argv + first, (size_t)(argc - first), 0};
    size_t done;
    status = sleeve_batch_run(extractor, (const char *const *)work.files, work.count, workers, on_result, on_progress,
                              &work, &done);
    sleeve_extractor_free(extractor);
    fprintf(stderr, "\n");
    if (status != SLEEVE_STATUS_OK && status != SLEEVE_STATUS_CANCELLED) return complain("batch", status);
    return work.failed || status == SLEEVE_STATUS_CANCELLED;
}
