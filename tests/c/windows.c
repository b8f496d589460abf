/* What Windows does differently: windows FOLDER RECORDING. The folder is empty; the recording is a WAV file. */
#include "check.h"

#include <string.h>
#include <wchar.h>
#include <windows.h>

/* As a host makes a UTF-8 path of one that it has. */
static const char *utf8(const wchar_t *path) {
    static char text[8192];
    CHECK(WideCharToMultiByte(CP_UTF8, 0, path, -1, text, sizeof text, NULL, NULL) > 0);
    return text;
}

static size_t patches(const sleeve_extractor *extractor, const wchar_t *path) {
    sleeve_analysis *analysis = NULL;
    OK(sleeve_extractor_run_file(extractor, utf8(path), &analysis));
    const size_t count = sleeve_analysis_patch_count(analysis);
    sleeve_analysis_free(analysis);
    return count;
}

static void expect_message(const char *part) {
    char message[4096];
    sleeve_last_error(message, sizeof message);
    if (strstr(message, part) == NULL) {
        fprintf(stderr, "the message should contain '%s': %s\n", part, message);
        exit(1);
    }
}

/* Paths are UTF-8, whatever the code page is; wide inside. */
static void names(const sleeve_extractor *extractor, const wchar_t *folder, const wchar_t *recording) {
    static const wchar_t *const all[] = {L"\x97f3\x697d.wav", L"caf\x00e9 \x0421\x0442\x0430\x0441.wav",
                                         L"\xd83c\xdfb5.wav", L"two  spaces & 100%.wav"};
    const size_t expected = patches(extractor, recording);
    CHECK(expected > 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        wchar_t path[1024];
        swprintf(path, 1024, L"%ls\\%ls", folder, all[i]);
        CHECK(CopyFileW(recording, path, TRUE));
        CHECK(patches(extractor, path) == expected);
        /* Both separators are Windows' own. */
        for (wchar_t *at = path; (at = wcschr(at, L'\\')) != NULL;) *at = L'/';
        CHECK(patches(extractor, path) == expected);
    }
    EXPECT(SLEEVE_STATUS_INVALID_ARGUMENT, sleeve_extractor_run_file(extractor, "caf\xe9.wav", &(sleeve_analysis *){0}));
}

/* Beyond the 260 characters of old. */
static void long_paths(const sleeve_extractor *extractor, const wchar_t *folder, const wchar_t *recording) {
    wchar_t path[2048], verbatim[2048];
    CHECK(GetFullPathNameW(folder, 1024, path, NULL) > 0);
    for (int i = 0; i < 8; ++i) {
        wcscat(path, L"\\a folder with a name of fifty characters or so ----");
        swprintf(verbatim, 2048, L"\\\\?\\%ls", path);
        CHECK(CreateDirectoryW(verbatim, NULL));
    }
    wcscat(path, L"\\song.wav");
    swprintf(verbatim, 2048, L"\\\\?\\%ls", path);
    CHECK(wcslen(path) > 400);
    CHECK(CopyFileW(recording, verbatim, TRUE));
    CHECK(patches(extractor, path) == patches(extractor, recording));
    CHECK(patches(extractor, verbatim) == patches(extractor, recording));
}

/* A file that another program has opened for itself alone. */
static void locked(const sleeve_extractor *extractor, const wchar_t *folder, const wchar_t *recording) {
    wchar_t path[1024];
    swprintf(path, 1024, L"%ls\\locked.wav", folder);
    CHECK(CopyFileW(recording, path, TRUE));
    HANDLE file = CreateFileW(path, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    sleeve_analysis *analysis = NULL;
    EXPECT(SLEEVE_STATUS_IO, sleeve_extractor_run_file(extractor, utf8(path), &analysis));
    expect_message("locked.wav");
    CloseHandle(file);
    CHECK(patches(extractor, path) > 0);
}

static void add(sleeve_library_writer *writer, const char *path, float first) {
    sleeve_track *track = NULL;
    OK(sleeve_track_new(path, &track));
    OK(sleeve_track_set_seconds(track, 3));
    float vector[200] = {first, 1};
    OK(sleeve_library_writer_add_vector(writer, track, vector, 200));
    sleeve_track_free(track);
}

/* A library is replaced whole, also while readers have the old one open, which they go on to see. */
static void libraries(const wchar_t *folder) {
    wchar_t path[1024];
    swprintf(path, 1024, L"%ls\\\x97f3\x697d.library", folder);
    char file[4096];
    strcpy(file, utf8(path));
    sleeve_library_writer *writer = NULL, *second = NULL;
    OK(sleeve_library_writer_create_other(file, "", "other", "", 200, &writer));
    add(writer, "a.wav", 0.5f);
    OK(sleeve_library_writer_flush(writer));
    sleeve_library *before = NULL, *after = NULL;
    OK(sleeve_library_open(file, &before));
    EXPECT(SLEEVE_STATUS_LIBRARY, sleeve_library_writer_open(file, &second));
    expect_message("another");
    add(writer, "b.wav", 0.25f);
    OK(sleeve_library_writer_finish(writer));
    sleeve_library_writer_free(writer);
    CHECK(sleeve_library_track_count(before) == 1);
    OK(sleeve_library_open(file, &after));
    CHECK(sleeve_library_track_count(after) == 2);
    sleeve_library_free(before);
    /* Written again, by a writer that reads it first, with a reader beside it. */
    OK(sleeve_library_writer_open(file, &writer));
    add(writer, "c.wav", 0.125f);
    OK(sleeve_library_writer_finish(writer));
    sleeve_library_writer_free(writer);
    CHECK(sleeve_library_track_count(after) == 2);
    sleeve_library_free(after);
    OK(sleeve_library_open(file, &after));
    CHECK(sleeve_library_track_count(after) == 3);
    sleeve_library_free(after);
}

int wmain(int argc, wchar_t **argv) {
    CHECK(argc == 3);
    sleeve_model *model = NULL;
    sleeve_extractor *extractor = NULL;
    OK(sleeve_model_bundled("msd-musicnn-1", &model));
    OK(sleeve_extractor_new(model, NULL, &extractor));
    names(extractor, argv[1], argv[2]);
    long_paths(extractor, argv[1], argv[2]);
    locked(extractor, argv[1], argv[2]);
    libraries(argv[1]);
    sleeve_extractor_free(extractor);
    sleeve_model_free(model);
    return 0;
}
