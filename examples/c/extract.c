/* Tags and embeddings of audio files, in C.
 *
 *     extract [-m MODEL] FILE...
 *
 *     cc -O2 extract.c $(pkg-config --cflags --libs sleeve) -o extract
 */
#include <sleeve/sleeve.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAGS = 5 };

/* Prints what failed and why. */
static int complain(const char *what, sleeve_status status) {
    char message[1024];
    sleeve_last_error(message, sizeof message);
    fprintf(stderr, "%s: %s (%s)\n", what, message, sleeve_status_name(status));
    return 1;
}

/* The largest of the mean activations. */
static int print_tags(const sleeve_analysis *analysis) {
    const float *values;
    size_t classes, patches = sleeve_analysis_patch_count(analysis);
    if (sleeve_analysis_predictions(analysis, &values, &classes) != SLEEVE_STATUS_OK || patches == 0) return 0;
    double *mean = calloc(classes, sizeof *mean);
    if (mean == NULL) return 1;
    for (size_t patch = 0; patch < patches; ++patch)
        for (size_t i = 0; i < classes; ++i) mean[i] += values[patch * classes + i] / (double)patches;
    for (int shown = 0; shown < TAGS && shown < (int)classes; ++shown) {
        size_t best = 0;
        for (size_t i = 1; i < classes; ++i)
            if (mean[i] > mean[best]) best = i;
        const char *name = sleeve_analysis_class_name(analysis, best);
        printf("  %5.3f  %s\n", mean[best], name ? name : "?");
        mean[best] = -1;
    }
    free(mean);
    return 0;
}

static int analyse(const sleeve_extractor *extractor, const char *file) {
    sleeve_analysis *analysis;
    sleeve_status status = sleeve_extractor_run_file(extractor, file, &analysis);
    if (status != SLEEVE_STATUS_OK) return complain(file, status);

    const float *values;
    size_t dim = 0, patches = sleeve_analysis_patch_count(analysis);
    printf("%s: %zu patches", file, patches);
    if (sleeve_analysis_embeddings(analysis, &values, &dim) == SLEEVE_STATUS_OK)
        printf(", embeddings of %zu values", dim);
    printf("\n");
    const char *warning;
    for (size_t i = 0; (warning = sleeve_analysis_warning(analysis, i)) != NULL; ++i)
        fprintf(stderr, "%s: warning: %s\n", file, warning);
    int failed = print_tags(analysis);
    sleeve_analysis_free(analysis);
    return failed;
}

int main(int argc, char **argv) {
    const char *name = NULL;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-m") == 0) {
        name = argv[2];
        first = 3;
    }
    if (first >= argc || argv[first][0] == '-') {
        fprintf(stderr, "usage: %s [-m MODEL] FILE...\n", argv[0]);
        return 2;
    }
    if (sleeve_abi_version() != SLEEVE_ABI_VERSION) {
        fprintf(stderr, "libsleeve %s has another ABI than this program was built for\n", sleeve_version());
        return 1;
    }

    sleeve_model *model;
    sleeve_status status = name ? sleeve_model_open(name, &model) : sleeve_model_bundled(NULL, &model);
    if (status != SLEEVE_STATUS_OK) return complain("cannot open the model", status);
    sleeve_extractor *extractor;
    status = sleeve_extractor_new(model, NULL, &extractor);
    sleeve_model_free(model);
    if (status != SLEEVE_STATUS_OK) return complain("cannot run the model", status);
    fprintf(stderr, "%s\n", sleeve_extractor_engine(extractor));

    int failed = 0;
    for (int i = first; i < argc; ++i) failed |= analyse(extractor, argv[i]);
    sleeve_extractor_free(extractor);
    return failed;
}
