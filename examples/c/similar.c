/* The tracks that are most similar to one, in C.
 *
 *     similar LIBRARY FILE [COUNT]
 *
 * LIBRARY is a file that `sleeve similar index` wrote, or this program makes of the files that are given:
 *
 *     similar --make LIBRARY FILE...
 *
 *     cc -O2 similar.c $(pkg-config --cflags --libs sleeve) -o similar
 */
#include <sleeve/sleeve.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints what failed and why. */
static int complain(const char *what, sleeve_status status) {
    char message[1024];
    sleeve_last_error(message, sizeof message);
    fprintf(stderr, "%s: %s (%s)\n", what, message, sleeve_status_name(status));
    return 1;
}

static sleeve_status load(sleeve_extractor **extractor) {
    sleeve_model *model = NULL;
    sleeve_status status = sleeve_model_bundled("sleeve-musicnn-1", &model);
    if (status == SLEEVE_STATUS_OK) status = sleeve_extractor_new(model, NULL, extractor);
    sleeve_model_free(model);
    return status;
}

/* Analyses one file and adds it. */
static sleeve_status add(sleeve_library_writer *writer, const sleeve_extractor *extractor, const char *file) {
    sleeve_analysis *analysis = NULL;
    sleeve_track *track = NULL;
    sleeve_status status = sleeve_extractor_run_file(extractor, file, &analysis);
    if (status == SLEEVE_STATUS_OK) status = sleeve_track_new(file, &track);
    if (status == SLEEVE_STATUS_OK) status = sleeve_track_read_file(track, file);
    if (status == SLEEVE_STATUS_OK && sleeve_analysis_patch_count(analysis) > 0) {
        /* The last patch begins here, and has three seconds. */
        const size_t last = sleeve_analysis_patch_count(analysis) - 1;
        status = sleeve_track_set_seconds(track, sleeve_analysis_times(analysis)[last] + 3);
    }
    if (status == SLEEVE_STATUS_OK) status = sleeve_library_writer_add(writer, track, analysis, false);
    sleeve_track_free(track);
    sleeve_analysis_free(analysis);
    return status;
}

static int make(const char *library, char **files, int count) {
    sleeve_extractor *extractor = NULL;
    sleeve_library_writer *writer = NULL;
    int failed = 0;
    sleeve_status status = load(&extractor);
    /* The tracks are not of one folder, so there is no root. */
    if (status == SLEEVE_STATUS_OK) status = sleeve_library_writer_create(library, "", extractor, &writer);
    for (int i = 0; i < count && status == SLEEVE_STATUS_OK; ++i) {
        const sleeve_status added = add(writer, extractor, files[i]);
        if (added != SLEEVE_STATUS_OK) failed = complain(files[i], added);
    }
    if (status == SLEEVE_STATUS_OK) status = sleeve_library_writer_finish(writer);
    if (status != SLEEVE_STATUS_OK) failed = complain(library, status);
    sleeve_library_writer_free(writer);
    sleeve_extractor_free(extractor);
    return failed;
}

/* The seed of a query: a track of the library, or the mean embedding of any other file. */
static sleeve_status seed(const sleeve_library *library, sleeve_query *query, const char *file) {
    size_t track;
    if (sleeve_library_find_path(library, file, &track) == SLEEVE_STATUS_OK)
        return sleeve_query_add_track(query, track, 1);
    sleeve_extractor *extractor = NULL;
    sleeve_analysis *analysis = NULL;
    const size_t dim = sleeve_library_dim(library);
    float *mean = calloc(dim, sizeof *mean);
    sleeve_status status = load(&extractor);
    if (status == SLEEVE_STATUS_OK) status = sleeve_library_check_extractor(library, extractor);
    if (status == SLEEVE_STATUS_OK) status = sleeve_extractor_run_file(extractor, file, &analysis);
    const float *values = NULL;
    size_t width = 0;
    if (status == SLEEVE_STATUS_OK) status = sleeve_analysis_embeddings(analysis, &values, &width);
    if (status == SLEEVE_STATUS_OK && mean != NULL) {
        const size_t patches = sleeve_analysis_patch_count(analysis);
        for (size_t i = 0; i < patches * dim; ++i) mean[i % dim] += values[i] / (float)patches;
        status = sleeve_query_add_vector(query, mean, dim, 1);
    }
    free(mean);
    sleeve_analysis_free(analysis);
    sleeve_extractor_free(extractor);
    return status;
}

static int find(const char *path, const char *file, size_t count) {
    sleeve_library *library = NULL;
    sleeve_query *query = NULL;
    sleeve_tracks *tracks = NULL;
    sleeve_status status = sleeve_library_open(path, &library);
    if (status == SLEEVE_STATUS_OK) status = sleeve_query_new(&query);
    if (status == SLEEVE_STATUS_OK) status = sleeve_query_set_count(query, count);
    if (status == SLEEVE_STATUS_OK) status = seed(library, query, file);
    if (status == SLEEVE_STATUS_OK) status = sleeve_library_find(library, query, &tracks);
    int failed = 0;
    if (status != SLEEVE_STATUS_OK) failed = complain(file, status);
    for (size_t i = 0; i < sleeve_tracks_count(tracks); ++i) {
        size_t track;
        float cosine;
        char name[4096];
        if (sleeve_tracks_get(tracks, i, &track, &cosine, NULL) != SLEEVE_STATUS_OK) break;
        sleeve_library_text(library, track, "path", name, sizeof name);
        printf("%.3f  %s\n", cosine, name);
    }
    sleeve_tracks_free(tracks);
    sleeve_query_free(query);
    sleeve_library_free(library);
    return failed;
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "--make") == 0) return make(argv[2], argv + 3, argc - 3);
    if (argc == 3 || argc == 4) {
        const long count = argc == 4 ? strtol(argv[3], NULL, 10) : 10;
        if (count > 0) return find(argv[1], argv[2], (size_t)count);
    }
    fprintf(stderr, "usage: similar LIBRARY FILE [COUNT]\n       similar --make LIBRARY FILE...\n");
    return 2;
}
