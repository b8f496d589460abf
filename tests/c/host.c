/* Hosts that do what a library must survive: host LIBRARY SECONDS. Built against the header as it was first recorded, and
 * loads the library at run time, so that it can be unloaded. SECONDS is how long many threads share one model. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 24, SAMPLES = 5 * 16000, SMALL_STACK = 128 << 10 };

/* The functions, by the header's types. */
#define FUNCTIONS(X)                                                                                            \
    X(sleeve_abi_version)                                                                                       \
    X(sleeve_last_error)                                                                                        \
    X(sleeve_status_name)                                                                                       \
    X(sleeve_model_bundled)                                                                                     \
    X(sleeve_model_json)                                                                                        \
    X(sleeve_model_free)                                                                                        \
    X(sleeve_options_new)                                                                                       \
    X(sleeve_options_set_threads)                                                                               \
    X(sleeve_options_free)                                                                                      \
    X(sleeve_extractor_new)                                                                                     \
    X(sleeve_extractor_run_samples)                                                                             \
    X(sleeve_extractor_free)                                                                                    \
    X(sleeve_analysis_patch_count)                                                                              \
    X(sleeve_analysis_embeddings)                                                                               \
    X(sleeve_analysis_free)

/* Named as the functions are, so that check.h uses them too; the declarations of the header give their types. */
#define DECLARE(name) static __typeof__(&name) name##_;
FUNCTIONS(DECLARE)
static void *load(const char *file) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
#define FIND(name)                                                                                              \
    *(void **)&name##_ = dlsym(library, #name);                                                                 \
    CHECK(name##_ != NULL);
    FUNCTIONS(FIND)
    CHECK(sleeve_abi_version_() == SLEEVE_ABI_VERSION);
    return library;
}

/* check.h uses these. */
#define sleeve_last_error sleeve_last_error_
#define sleeve_status_name sleeve_status_name_

static float samples[SAMPLES];

static void fill(void) {
    unsigned state = 1;
    for (size_t i = 0; i < SAMPLES; ++i) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
}

/* The bits of all values, as FNV-1a. */
static uint64_t bits(const sleeve_extractor *extractor) {
    sleeve_analysis *analysis = NULL;
    OK(sleeve_extractor_run_samples_(extractor, samples, SAMPLES, 1, 16000, &analysis));
    const float *values;
    size_t dim;
    OK(sleeve_analysis_embeddings_(analysis, &values, &dim));
    const size_t count = sleeve_analysis_patch_count_(analysis) * dim;
    CHECK(count > 0);
    uint64_t hash = 14695981039346656037u;
    const unsigned char *bytes = (const unsigned char *)values;
    for (size_t i = 0; i < count * sizeof *values; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
    sleeve_analysis_free_(analysis);
    return hash;
}

static sleeve_extractor *open_extractor(void) {
    sleeve_model *model = NULL;
    sleeve_options *options = NULL;
    sleeve_extractor *extractor = NULL;
    OK(sleeve_model_bundled_(NULL, &model));
    CHECK(strchr(sleeve_model_json_(model), '{') != NULL);
    OK(sleeve_options_new_(&options));
    OK(sleeve_options_set_threads_(options, 2));
    OK(sleeve_extractor_new_(model, options, &extractor));
    sleeve_options_free_(options);
    sleeve_model_free_(model);
    return extractor;
}

/* Everything, from the model's file to the values. */
static uint64_t anew(void) {
    sleeve_extractor *extractor = open_extractor();
    const uint64_t found = bits(extractor);
    sleeve_extractor_free_(extractor);
    return found;
}

static uint64_t expected;

static void *on_small_stack(void *nothing) {
    (void)nothing;
    CHECK(anew() == expected);
    return NULL;
}

static void small_stacks(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, SMALL_STACK) == 0);
    CHECK(pthread_create(&thread, &attributes, on_small_stack, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    printf("a stack of 128 KB: the same bits\n");
}

static const sleeve_extractor *shared;
static double seconds;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *share(void *runs) {
    const double end = now() + seconds;
    do {
        CHECK(bits(shared) == expected);
        ++*(size_t *)runs;
    } while (now() < end);
    return NULL;
}

static void many_threads(void) {
    pthread_t threads[THREADS];
    size_t runs[THREADS] = {0}, total = 0;
    sleeve_extractor *extractor = open_extractor();
    shared = extractor;
    for (int i = 0; i < THREADS; ++i) CHECK(pthread_create(&threads[i], NULL, share, &runs[i]) == 0);
    for (int i = 0; i < THREADS; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        total += runs[i];
    }
    sleeve_extractor_free_(extractor);
    printf("%d threads, one model, %.0f s: %zu runs, the same bits\n", THREADS, seconds, total);
}

/* A parent that used the library goes on; its child ends, runs its destructors, and may start another program. */
static void forks(void) {
    sleeve_extractor *extractor = open_extractor();
    CHECK(bits(extractor) == expected);
    for (int kind = 0; kind < 2; ++kind) {
        fflush(NULL);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            if (kind == 1) execlp("true", "true", (char *)NULL);
            exit(kind);
        }
        CHECK(bits(extractor) == expected);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    sleeve_extractor_free_(extractor);
    printf("a host that forks: the same bits\n");
}

static volatile sig_atomic_t signals;

static void on_signal(int number) {
    (void)number;
    ++signals;
}

/* The library neither takes over the handlers of a host nor causes signals. */
static void handlers(void) {
    const int numbers[] = {SIGPIPE, SIGFPE, SIGSEGV, SIGCHLD, SIGINT};
    struct sigaction ours = {0}, found;
    ours.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) CHECK(sigaction(numbers[i], &ours, NULL) == 0);
    CHECK(anew() == expected);
    CHECK(signals == 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        CHECK(sigaction(numbers[i], NULL, &found) == 0);
        CHECK(found.sa_handler == on_signal);
        signal(numbers[i], SIG_DFL);
    }
    printf("handlers of signals: left alone, none called\n");
}

static void locales(void) {
    const char *names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && set == NULL; ++i) set = setlocale(LC_ALL, names[i]);
    char text[16];
    snprintf(text, sizeof text, "%.1f", 0.5);
    if (set == NULL || strcmp(text, "0,5") != 0) {
        printf("decimal commas: not tried, there is no such locale\n");
        return;
    }
    CHECK(anew() == expected);
    CHECK(strcmp(setlocale(LC_ALL, NULL), set) == 0);
    setlocale(LC_ALL, "C");
    printf("decimal commas: the same bits\n");
}

/* The values are those of rounding to nearest, and the host's mode is as before. */
static void rounding(void) {
    const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    sleeve_extractor *extractor = open_extractor();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; ++i) {
        CHECK(fesetround(modes[i]) == 0);
        const bool same = anew() == expected, same_again = bits(extractor) == expected;
        CHECK(fegetround() == modes[i]);
        CHECK(fesetround(FE_TONEAREST) == 0);
        CHECK(same);
        CHECK(same_again);
    }
#ifdef __GLIBC__
    /* What is inexact would be a signal. */
    feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_INEXACT);
    sleeve_analysis *analysis = NULL;
    const sleeve_status status = sleeve_extractor_run_samples_(extractor, samples, SAMPLES, 1, 16000, &analysis);
    fedisableexcept(FE_ALL_EXCEPT);
    OK(status);
    sleeve_analysis_free_(analysis);
#endif
#ifdef __SSE__
    /* Denormals count as zero, as hosts of audio have it. */
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8040);
    const bool same = anew() == expected;
    __builtin_ia32_ldmxcsr(before);
    CHECK(same);
#endif
    sleeve_extractor_free_(extractor);
    printf("other rounding modes, traps and no denormals: the same bits\n");
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    seconds = atof(argv[2]);
    fill();
    void *library = load(argv[1]);
    expected = anew();
    handlers();
    small_stacks();
    forks();
    locales();
    many_threads();
    rounding();
    for (int times = 0; times < 3; ++times) {
        CHECK(dlclose(library) == 0);
        library = load(argv[1]);
        CHECK(anew() == expected);
    }
    CHECK(dlclose(library) == 0);
    printf("unloaded and loaded: the same bits\n");
    return 0;
}
