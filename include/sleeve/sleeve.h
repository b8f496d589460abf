/*
 * sleeve.h: music embeddings. Audio in; for every two or three seconds, a vector that describes how the recording
 * sounds, and tags out.
 *
 *     sleeve_model *model = NULL;
 *     sleeve_extractor *extractor = NULL;
 *     sleeve_analysis *analysis = NULL;
 *     if (sleeve_model_bundled(NULL, &model) == SLEEVE_STATUS_OK &&
 *         sleeve_extractor_new(model, NULL, &extractor) == SLEEVE_STATUS_OK &&
 *         sleeve_extractor_run_file(extractor, "song.mp3", &analysis) == SLEEVE_STATUS_OK) {
 *         const float *values;
 *         size_t dim;
 *         if (sleeve_analysis_embeddings(analysis, &values, &dim) == SLEEVE_STATUS_OK)
 *             use(values, sleeve_analysis_patch_count(analysis), dim);
 *     }
 *     sleeve_analysis_free(analysis);
 *     sleeve_extractor_free(extractor);
 *     sleeve_model_free(model);
 *
 * Rules for every function
 *
 * Words. An audio frame is one sample of each channel. A mel frame is the 96 values computed from 512 samples at
 * 16 kHz. A patch is the consecutive mel frames that a network takes at a time. A row is the outputs for one patch.
 *
 * Objects. A handle is made by a function with an out-parameter. It belongs to the caller, who must free it once, with
 * the `_free` function of its type; freeing NULL does nothing. Using a handle after it was freed, or one of another
 * type, is undefined behaviour. Objects do not depend on those they were made from, so they may be freed in any order.
 *
 * Threads. A `const` pointer to an object may be used by several threads at once, a non-const one by one thread at a
 * time. Every object may be freed on another thread than it was made on. The only global state is the log callback.
 * After fork() without exec(), the child process must not use the library if the parent did.
 *
 * Status. A function that can fail returns a sleeve_status. It sets its out-parameters only with SLEEVE_STATUS_OK,
 * unless its description says otherwise. sleeve_last_error gives the message: what failed (the file, the option) and
 * why. NULL for any pointer that is not documented to allow it is SLEEVE_STATUS_NULL_POINTER. The library does not
 * abort or throw: an internal error is SLEEVE_STATUS_PANIC. Functions that cannot fail return 0 or NULL for NULL.
 *
 * Memory. Text is UTF-8 and NUL-terminated; paths are in the system's encoding. Arrays are contiguous, in C order and
 * aligned for their type. An array parameter of `n` elements must have `n` elements, which the library cannot check.
 * Returned pointers belong to the object they come from.
 *
 * Callbacks must not throw, unwind or longjmp through the library.
 *
 * Versions. The ABI version (SLEEVE_ABI_VERSION, the number in `libsleeve.so.1`) increases when a program built against
 * an older header would no longer run: when a function is removed, or a signature, a status number or documented
 * behaviour changes. Functions, statuses and options may be added without a new ABI version, so a program runs with
 * any later library of its ABI version. The library's version (SLEEVE_VERSION) follows semantic versioning for the
 * Rust API, and a new ABI version always comes with a new major version (below 1.0: a new minor one).
 */

#ifndef SLEEVE_SLEEVE_H
#define SLEEVE_SLEEVE_H

/* Written by cbindgen (`cargo xtask header`): change bindings/c/src/ instead. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The version of this header.
#define SLEEVE_VERSION "0.2.0"
#define SLEEVE_VERSION_MAJOR 0
#define SLEEVE_VERSION_MINOR 2
#define SLEEVE_VERSION_PATCH 0

/* ---- Constants and types --------------------------------------------------- */

// The version of this ABI: the number in the name of the shared library (`libsleeve.so.1`). It increases when a
// program built against an older header would no longer run; additions do not change it.
#define SLEEVE_ABI_VERSION 1

// Samples per mel frame: 32 ms at 16 kHz.
#define SLEEVE_MEL_FRAME_SIZE 512

// Samples from one mel frame to the next: 16 ms at 16 kHz.
#define SLEEVE_MEL_HOP 256

// Bands per mel frame.
#define SLEEVE_MEL_BANDS 96

// The status of a call. Numbers are never changed or reused. Later versions may add some: treat an unknown one as an
// error.
typedef enum {
  // Success; every out-parameter is set.
  SLEEVE_STATUS_OK = 0,
  // An internal error of the library. Free the object and do not use it again.
  SLEEVE_STATUS_PANIC = 1,
  // A pointer is NULL that must not be.
  SLEEVE_STATUS_NULL_POINTER = 2,
  // An argument is outside its documented range.
  SLEEVE_STATUS_INVALID_ARGUMENT = 3,
  // Reading or writing a file failed.
  SLEEVE_STATUS_IO = 4,
  // The input cannot be decoded as audio.
  SLEEVE_STATUS_AUDIO = 5,
  // A sample is NaN or infinite.
  SLEEVE_STATUS_NON_FINITE = 6,
  // A model's graph or metadata cannot be used.
  SLEEVE_STATUS_MODEL = 7,
  // A device, precision, engine or format that this build or machine does not have.
  SLEEVE_STATUS_UNAVAILABLE = 8,
  // The network failed while running.
  SLEEVE_STATUS_ENGINE = 9,
  // No such index, output or name.
  SLEEVE_STATUS_NOT_FOUND = 10,
  // Streams: not everything was written, or no row is ready. Not an error: try again later.
  SLEEVE_STATUS_WOULD_BLOCK = 11,
  // Streams: the recording has ended, and all its rows were read. Not an error.
  SLEEVE_STATUS_FINISHED = 12,
  // Streams: the other handle was freed.
  SLEEVE_STATUS_CLOSED = 13,
  // The caller cancelled the work.
  SLEEVE_STATUS_CANCELLED = 14,
  // A library file is not one, has another version, is damaged, in use or of another model.
  SLEEVE_STATUS_LIBRARY = 15,
} sleeve_status;

// The level of a log record.
typedef enum {
  // Errors.
  SLEEVE_LOG_ERROR = 1,
  // Warnings.
  SLEEVE_LOG_WARN = 2,
  // What was chosen, such as an engine, and why.
  SLEEVE_LOG_INFO = 3,
  // Details for developers.
  SLEEVE_LOG_DEBUG = 4,
  // All records.
  SLEEVE_LOG_TRACE = 5,
} sleeve_log_level;

// What an output is for.
typedef enum {
  // The metadata does not say.
  SLEEVE_PURPOSE_OTHER = 0,
  // A vector that describes the sound.
  SLEEVE_PURPOSE_EMBEDDINGS = 1,
  // Activations of classes, such as tags.
  SLEEVE_PURPOSE_PREDICTIONS = 2,
} sleeve_purpose;

// The result of an extractor for one recording. Immutable: threads may share it.
typedef struct sleeve_analysis sleeve_analysis;

// A loaded model with its engine and its heads; or a head alone, which runs on embeddings. Immutable: threads may
// share it and run it at the same time.
typedef struct sleeve_extractor sleeve_extractor;

// A library file that `sleeve similar index` or a sleeve_library_writer wrote, open for reading. Tracks have indices
// from 0. It shows the file as it was when it was opened. Immutable: threads may share it and search it at the same
// time. Other programs must not change the file in place.
typedef struct sleeve_library sleeve_library;

// Writes a library file: one writer at a time, while others may read. What was added is in the file after
// `sleeve_library_writer_flush`. For one thread at a time.
typedef struct sleeve_library_writer sleeve_library_writer;

// The tables and buffers of the mel-spectrogram. For one thread at a time.
typedef struct sleeve_mel sleeve_mel;

// A network with its metadata: an embedding model, which takes audio, or a head, which takes embeddings. Immutable:
// threads may share it, and extractors of one model share its weights.
typedef struct sleeve_model sleeve_model;

// Options of an extractor. Extractors copy them: options may be changed, reused or freed afterwards. For one thread at
// a time.
typedef struct sleeve_options sleeve_options;

// What is asked of a library: seeds, filters and options. Functions of the library copy it; it may be changed, reused or
// freed afterwards. For one thread at a time.
typedef struct sleeve_query sleeve_query;

// The output end of a stream. For one thread at a time: `sleeve_stream_reader_next` resamples, computes the
// mel-spectrogram and runs the networks.
typedef struct sleeve_stream_reader sleeve_stream_reader;

// The input end of a stream. For one thread at a time, which may be a real-time one: except for `_free`, no call on a
// writer waits, locks, allocates memory or makes a system call.
typedef struct sleeve_stream_writer sleeve_stream_writer;

// What a library is told of a track. Writers copy it. For one thread at a time.
typedef struct sleeve_track sleeve_track;

// Tracks that a library gave. Immutable: threads may share it.
typedef struct sleeve_tracks sleeve_tracks;

// Log callback: the level of a record, the part of the library that logged it and the message (UTF-8, valid during the
// call only). It may be called from any thread, and from several at once.
typedef void (*sleeve_log_callback)(void *user_data,
                                    sleeve_log_level level,
                                    const char *target,
                                    const char *message);

// Result callback: called once per recording, in the order in which they are done. `index` is that of the path. With
// OK, `analysis` is the result, which the callback must free, and `message` is empty. Otherwise `status` and `message`
// are the error (CANCELLED for recordings under way when the run was cancelled) and `analysis` is NULL. `message` is
// valid during the call only.
typedef void (*sleeve_batch_result_callback)(void *user_data,
                                             size_t index,
                                             sleeve_status status,
                                             const char *message,
                                             sleeve_analysis *analysis);

// Progress callback, called about ten times a second: recordings done, recordings failed, and seconds of audio decoded
// so far. Return false to cancel; the run then ends within the time of a batch.
typedef bool (*sleeve_batch_progress_callback)(void *user_data, size_t done, size_t failed, double seconds);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- Versions -------------------------------------------------------------- */

// The library's version, as `"0.2.0"`. Compare it with `SLEEVE_VERSION`, the version of the header.
//
// Never NULL; valid for the life of the process.
const char *sleeve_version(void);

// The ABI version of the loaded library. Compare it with `SLEEVE_ABI_VERSION`, the version of the header.
uint32_t sleeve_abi_version(void);

/* ---- Statuses -------------------------------------------------------------- */

// A status in words: `"not decodable audio"`; `"unknown status"` for a number that this version does not have.
//
// Never NULL; valid for the life of the process.
const char *sleeve_status_name(int32_t status);

/* ---- Error messages -------------------------------------------------------- */

// Copies the message of this thread's last failed call, NUL-terminated and truncated to `size` bytes (never inside a
// UTF-8 character). A call that succeeds does not change the message.
//
// Returns the length of the whole message without its NUL: 0 if no call has failed on this thread. With
// `buffer` NULL or `size` 0 nothing is written.
size_t sleeve_last_error(char *buffer,
                         size_t size);

/* ---- Logging --------------------------------------------------------------- */

// Sends the library's log records up to `level` (1 to 5, a `sleeve_log_level`) to `callback`, for the whole process.
// NULL turns logging off, as it is at first. `user_data` is passed to the callback.
//
// The previous callback may still be running in another thread when this returns. Errors: INVALID_ARGUMENT for the
// level; UNAVAILABLE if a Rust program has installed its own logger.
sleeve_status sleeve_set_log_callback(sleeve_log_callback callback,
                                      void *user_data,
                                      int32_t level);

/* ---- Devices --------------------------------------------------------------- */

// The number of devices of this machine that models can run on: the CPU, and each available CUDA device. If the torch
// plugin is installed, it is loaded to list CUDA devices.
size_t sleeve_device_count(void);

// Copies the name of a device (`"cpu"` is index 0; for `sleeve_options_set_device`), NUL-terminated and truncated to
// `size` bytes. Returns the length of the whole name without its NUL; 0 beyond the last device.
size_t sleeve_device_name(size_t index,
                          char *buffer,
                          size_t size);

// Copies the description of a device (`"CPU, AVX-512"`), like `sleeve_device_name`.
size_t sleeve_device_description(size_t index, char *buffer, size_t size);

/* ---- Models ---------------------------------------------------------------- */

// Opens a model: an `.onnx` file, the `.json` beside it, their common stem, or the name of a bundled model (files take
// precedence).
//
// Errors: IO, MODEL, UNAVAILABLE; the message names the file and the reason.
sleeve_status sleeve_model_open(const char *file,
                                sleeve_model **model);

// Opens a model as `sleeve_model_open` does, and says which input it was trained on, in place of its metadata:
// `"musicnn"`, `"effnet-discogs"`, `"maest"`, `"vggish"`, `"vggish-original"`, `"tempocnn"`, `"fsd-sinet"`, `"openl3"`,
// `"crepe"`, or `"musicnn-mel"` (MusiCNN's frames in patches of any length). Its values are wrong if that is not true.
//
// Errors: IO, MODEL, UNAVAILABLE; INVALID_ARGUMENT for another front end.
sleeve_status sleeve_model_open_as(const char *file,
                                   const char *front_end,
                                   sleeve_model **model);

// Opens a bundled model by name; NULL is the default one.
//
// Errors: MODEL; the message lists the bundled names.
sleeve_status sleeve_model_bundled(const char *name, sleeve_model **model);

// Opens a model in memory: `onnx_size` bytes of an `.onnx` file, and `json_size` bytes of its metadata in UTF-8 (NULL
// and 0 for none). Both are copied.
//
// Errors: MODEL.
sleeve_status sleeve_model_from_memory(const uint8_t *onnx,
                                       size_t onnx_size,
                                       const char *json,
                                       size_t json_size,
                                       sleeve_model **model);

// The name of the bundled model at `index` (0 is the default model); NULL beyond the last.
//
// Valid for the life of the process.
const char *sleeve_bundled_name(size_t index);

// The model's name: the stem of its file, or the name it was opened by. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_name(const sleeve_model *model);

// The SHA-256 of the graph with its weights, in hexadecimal. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_sha256(const sleeve_model *model);

// The model's metadata as JSON in Essentia's schema, in UTF-8; `"{}"` without metadata. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_json(const sleeve_model *model);

// The sample rate that the model takes, in Hz (other audio is resampled). 0 for NULL, for a head, and if nothing says
// what the model takes.
uint32_t sleeve_model_sample_rate(const sleeve_model *model);

// The front end whose frames the model takes: `"musicnn"`, `"vggish"`, `"vggish-original"`, `"tempocnn"`, `"fsd-sinet"`,
// `"openl3-mel128"`, `"openl3-mel256"` or `"crepe"`. NULL for NULL, for a head, and if nothing says what the model takes: then
// `sleeve_extractor_new` gives the reason.
//
// Valid as long as the model.
const char *sleeve_model_front_end(const sleeve_model *model);

// Frames of the front end from one patch to the next. 0 for NULL, for a head, and if nothing says what the model takes.
size_t sleeve_model_patch_hop(const sleeve_model *model);

// Whether the model is a head, which takes embeddings in place of audio. False for NULL.
bool sleeve_model_is_head(const sleeve_model *model);

// The shape of the model's input for one patch: `frames` frames of `bands` values. For a head: 1, and the length of
// its input vector.
sleeve_status sleeve_model_input(const sleeve_model *model,
                                 size_t *frames,
                                 size_t *bands);

// Frees a model. Its extractors stay valid. NULL is allowed.
void sleeve_model_free(sleeve_model *model);

/* ---- Options --------------------------------------------------------------- */

// Makes options with the defaults.
sleeve_status sleeve_options_new(sleeve_options **options);

// Sets the engine: `"auto"` (the default), `"effnet"` (the fused EfficientNet-B0), `"fused"` (other
// convolutional networks), `"onnx"` (any ONNX graph) or `"torch"` (TorchScript, through its plugin).
sleeve_status sleeve_options_set_engine(sleeve_options *options, const char *engine);

// Sets the device: `"auto"` (the default: CUDA if available, else the CPU), `"cpu"`, `"cuda"`, `"cuda:1"`
// or `"cuda:0,1"`.
sleeve_status sleeve_options_set_device(sleeve_options *options, const char *device);

// Sets the arithmetic: `"auto"` (the default: f32 on a CPU), `"f32"`, `"bf16"` or `"fp16"`.
sleeve_status sleeve_options_set_precision(sleeve_options *options, const char *precision);

// Sets the method that converts audio to the model's sample rate: `"linear"` (the default, as published models expect)
// or `"sinc"` (band-limited).
sleeve_status sleeve_options_set_resampler(sleeve_options *options,
                                           const char *resampler);

// Sets whether recordings are brought to the same loudness: `"none"` (the default, as recorded) or `"track"` (each is
// measured as a whole by EBU R 128 and amplified or attenuated to -14 LUFS). A stream cannot be levelled.
sleeve_status sleeve_options_set_level(sleeve_options *options,
                                       const char *level);

// Sets whether the program FFmpeg decodes the files that the library cannot: `"never"` (the default), `"auto"` (if
// `ffmpeg` is in the PATH) or the path of the program.
sleeve_status sleeve_options_set_ffmpeg(sleeve_options *options,
                                        const char *ffmpeg);

// Sets the policy for the mel frames after the last complete patch: `"discard"` (the default) or `"repeat"` (they are
// repeated until they fill a patch, so that short recordings have one too).
sleeve_status sleeve_options_set_last_patch(sleeve_options *options,
                                            const char *last_patch);

// Sets the number of threads of the network; 0 (the default) means every core that the process may use.
sleeve_status sleeve_options_set_threads(sleeve_options *options, size_t threads);

// Sets the patches per batch, 1 to 4096; 0 (the default) lets the engine choose.
sleeve_status sleeve_options_set_batch_size(sleeve_options *options, size_t patches);

// Sets the frames of the front end (of MusiCNN 16 ms each) from one patch to the next, 1 to 65536; 0 (the default) is the model's own.
sleeve_status sleeve_options_set_patch_hop(sleeve_options *options,
                                           size_t frames);

// Selects an output of the model by purpose (`"embeddings"`, `"predictions"`), by the tensor's name, or `"tempo"` or
// `"pitch"` where the model gives one. Call it once per output. By default every output with a known purpose is given, or
// all outputs if none has one, and the tempo or pitch. Outputs of tokens, as those of MAEST's layers, are given as the
// class token, the distillation token and the mean of the others; `:cls`, `:dist`, `:mean`, `:stack` (all three) or
// `:tokens` behind the name selects one of these or all tokens.
sleeve_status sleeve_options_add_output(sleeve_options *options,
                                        const char *output);

// Adds a head: a model that takes the embeddings of this one. The head may be freed afterwards.
sleeve_status sleeve_options_add_head(sleeve_options *options, const sleeve_model *head);

// Sets the output of the model that heads take, by purpose or by the tensor's name; NULL (the default) is the one that
// they were trained on.
sleeve_status sleeve_options_set_head_input(sleeve_options *options,
                                            const char *output);

// Sets whether heads are taken whose metadata name another embedding model; false by default, because their values are
// wrong unless it is the same network under another name.
sleeve_status sleeve_options_set_any_embedding_model(sleeve_options *options,
                                                     bool allowed);

// Sets whether the whole recording is normalised where the front end asks for it, as FSD-SINet's does; true by default.
// Without it, such a model can run on a stream.
sleeve_status sleeve_options_set_normalise(sleeve_options *options,
                                           bool normalise);

// Frees options. NULL is allowed.
void sleeve_options_free(sleeve_options *options);

/* ---- Extractors: one recording --------------------------------------------- */

// Loads `model`; `options` may be NULL for the defaults. If `model` is a head, the extractor runs on embeddings only.
//
// Errors: MODEL, INVALID_ARGUMENT if a head or an output does not fit; UNAVAILABLE if the engine, device or precision
// is not available.
sleeve_status sleeve_extractor_new(const sleeve_model *model,
                                   const sleeve_options *options,
                                   sleeve_extractor **extractor);

// A description of the engine: `"effnet: cpu, AVX-512, f32, 2 threads"`. NULL for NULL.
//
// Valid as long as the extractor.
const char *sleeve_extractor_engine(const sleeve_extractor *extractor);

// The warning at `index` about the model's metadata or the choice of the engine; NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_warning(const sleeve_extractor *extractor, size_t index);

// The number of outputs: those of the model, then those of each head. 0 for NULL.
size_t sleeve_extractor_output_count(const sleeve_extractor *extractor);

// The purpose of the output at `index`, and its values per row.
//
// Errors: NOT_FOUND.
sleeve_status sleeve_extractor_output(const sleeve_extractor *extractor,
                                      size_t index,
                                      sleeve_purpose *purpose,
                                      size_t *dim);

// The name of the model or head of the output at `index`; NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_output_model(const sleeve_extractor *extractor, size_t index);

// The name of the tensor of the output at `index`; NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_output_tensor(const sleeve_extractor *extractor, size_t index);

// What the values of the output at `index` are: `"values"` (not known), `"labels"` (activations of labels that do not
// depend on each other, 0 to 1), `"classes"` (probabilities of classes of which one applies), `"quantities"` (in the
// units of the data set), `"tempo classes"`, `"pitch bins"`, `"tempo"` (BPM and its probability) or `"pitch"` (Hz and its
// confidence). NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_output_meaning(const sleeve_extractor *extractor,
                                            size_t index);

// The name of a value of the output at `index`, in UTF-8; NULL beyond the last, and if the metadata has no names.
//
// Valid as long as the extractor.
const char *sleeve_extractor_class_name(const sleeve_extractor *extractor,
                                        size_t index,
                                        size_t value);

// Analyses one audio file of any format, rate and channel count.
//
// Errors: IO, AUDIO, NON_FINITE, ENGINE; INVALID_ARGUMENT for a head.
sleeve_status sleeve_extractor_run_file(const sleeve_extractor *extractor,
                                        const char *file,
                                        sleeve_analysis **analysis);

// Analyses `frames` audio frames of `channels` interleaved channels at `sample_rate` Hz (full scale is 1). Channels
// are averaged; rates from 1000 to 768000 Hz are resampled to the model's.
//
// Errors: INVALID_ARGUMENT; NON_FINITE with the index of the audio frame; ENGINE.
sleeve_status sleeve_extractor_run_samples(const sleeve_extractor *extractor,
                                           const float *samples,
                                           size_t frames,
                                           uint32_t channels,
                                           uint32_t sample_rate,
                                           sleeve_analysis **analysis);

// Runs the model on `patches` mel patches, `[patches, frames, bands]`, cut from the mel frames of
// `sleeve_mel_compute`. `frames` and `bands` must be those of `sleeve_model_input`. The times are those of consecutive
// patches.
//
// Errors: INVALID_ARGUMENT if the shape is not the model's; ENGINE.
sleeve_status sleeve_extractor_run_patches(const sleeve_extractor *extractor,
                                           const float *values,
                                           size_t patches,
                                           size_t frames,
                                           size_t bands,
                                           sleeve_analysis **analysis);

// Runs a head on `rows` embeddings, `[rows, dim]`; `dim` must be the `bands` of `sleeve_model_input`.
//
// Errors: INVALID_ARGUMENT if the extractor is not of a head or `dim` is not the head's; ENGINE.
sleeve_status sleeve_extractor_run_embeddings(const sleeve_extractor *extractor,
                                              const float *values,
                                              size_t rows,
                                              size_t dim,
                                              sleeve_analysis **analysis);

// Frees an extractor. Its streams and analyses stay valid. NULL is allowed.
void sleeve_extractor_free(sleeve_extractor *extractor);

/* ---- Analyses: the result of one recording --------------------------------- */

// The number of patches (rows): 0 for a recording shorter than a patch, and for NULL.
size_t sleeve_analysis_patch_count(const sleeve_analysis *analysis);

// The start of each patch in seconds, one value per patch. NULL for NULL, without patches, and for the result of
// `sleeve_extractor_run_embeddings`, which has no times.
//
// Valid as long as the analysis.
const double *sleeve_analysis_times(const sleeve_analysis *analysis);

// The output at `index`, in the extractor's order: `[patches, dim]` values, row by row.
//
// The values are valid as long as the analysis. Errors: NOT_FOUND.
sleeve_status sleeve_analysis_output(const sleeve_analysis *analysis,
                                     size_t index,
                                     const float **values,
                                     size_t *dim);

// The model's embeddings: `[patches, dim]` values, row by row.
//
// The values are valid as long as the analysis. Errors: NOT_FOUND if the model has none or they were not selected.
sleeve_status sleeve_analysis_embeddings(const sleeve_analysis *analysis,
                                         const float **values,
                                         size_t *dim);

// The predictions, `[patches, dim]`, usually activations from 0 to 1: those of the last head, or of the model if there
// is no head. `sleeve_analysis_class_name` names the columns.
//
// The values are valid as long as the analysis. Errors: NOT_FOUND.
sleeve_status sleeve_analysis_predictions(const sleeve_analysis *analysis,
                                          const float **values,
                                          size_t *dim);

// Writes the mean of the output at `index` over all patches to `mean`, `dim` values.
//
// Errors: NOT_FOUND for the index or without patches; INVALID_ARGUMENT if `dim` is not the output's.
sleeve_status sleeve_analysis_mean(const sleeve_analysis *analysis, size_t index, float *mean, size_t dim);

// The name of a column of `sleeve_analysis_predictions`, in UTF-8; NULL beyond the last, and if the metadata has no
// names.
//
// Valid as long as the analysis.
const char *sleeve_analysis_class_name(const sleeve_analysis *analysis,
                                       size_t index);

// The integrated loudness of the recording as it was, in LUFS (EBU R 128), and the gain in dB that brought it to -14
// LUFS.
//
// Errors: NOT_FOUND if it was not levelled: without `sleeve_options_set_level`, or because it has no loudness, which is
// also a warning.
sleeve_status sleeve_analysis_level(const sleeve_analysis *analysis,
                                    float *lufs,
                                    float *gain_db);

// The warning at `index` about the recording, such as a truncated file or a wrong header; NULL beyond the last.
//
// Valid as long as the analysis.
const char *sleeve_analysis_warning(const sleeve_analysis *analysis,
                                    size_t index);

// Frees an analysis. NULL is allowed.
void sleeve_analysis_free(sleeve_analysis *analysis);

/* ---- Streams: audio in real time ------------------------------------------- */

// Opens a stream of `channels` interleaved channels at `sample_rate` Hz: `writer` for the thread that has the audio,
// `reader` for the thread that uses the results. The queue between them holds `capacity` audio frames; 0 means ten
// seconds.
//
// Rows have the same bits as those of `sleeve_extractor_run_samples` for the whole recording, however it is cut.
// Several streams may share an extractor.
//
// Errors: INVALID_ARGUMENT for a rate outside 1000 to 768000 Hz, 0 channels, a capacity too large for memory, or an
// extractor of a head.
sleeve_status sleeve_stream_new(const sleeve_extractor *extractor,
                                uint32_t sample_rate,
                                uint32_t channels,
                                size_t capacity,
                                sleeve_stream_writer **writer,
                                sleeve_stream_reader **reader);

// Writes `frames` audio frames of interleaved samples (full scale is 1). `written`, also set with WOULD_BLOCK, is the
// number of audio frames that the queue had room for: write the rest later, or drop it.
//
// Returns WOULD_BLOCK if not everything was written, CLOSED if the reader was freed. Errors: INVALID_ARGUMENT after
// `sleeve_stream_writer_finish`. NaN and infinite samples are reported by the reader.
sleeve_status sleeve_stream_writer_write(sleeve_stream_writer *writer,
                                         const float *samples,
                                         size_t frames,
                                         size_t *written);

// `sleeve_stream_writer_write` for 16-bit samples (full scale is 32768).
sleeve_status sleeve_stream_writer_write_i16(sleeve_stream_writer *writer,
                                             const int16_t *samples,
                                             size_t frames,
                                             size_t *written);

// Audio frames that can be written now. 0 for NULL.
size_t sleeve_stream_writer_available(const sleeve_stream_writer *writer);

// Marks the end of the recording, even when the queue is full. The reader processes all of it, its end as that of a
// file, and then returns FINISHED. A second call does nothing.
sleeve_status sleeve_stream_writer_finish(sleeve_stream_writer *writer);

// Begins the next recording, without a new allocation. One that was finished is still processed to its end. One that
// was not is abandoned: the reader discards the rest of it and returns CANCELLED once.
//
// Returns WOULD_BLOCK if about 64 recordings wait for the reader, CLOSED if the reader was freed.
sleeve_status sleeve_stream_writer_reset(sleeve_stream_writer *writer);

// Frees a writer. A recording that was not finished is abandoned. NULL is allowed.
void sleeve_stream_writer_free(sleeve_stream_writer *writer);

// Moves to the next row, and processes what was written as far as that takes. A row is ready as soon as the last
// sample of its patch was written; `sleeve_stream_reader_index`, `_time` and `_output` describe it.
//
// Returns OK for a row; WOULD_BLOCK when everything written so far is processed; FINISHED at the end of the recording,
// until the writer begins the next one; CANCELLED, once, if the writer abandoned the recording; CLOSED if the writer
// was freed without finishing it. Errors: NON_FINITE, with the index of the audio frame, after the rows before it;
// ENGINE. The recording is then lost, and the error is returned again until the writer resets the stream.
sleeve_status sleeve_stream_reader_next(sleeve_stream_reader *reader);

// The index of the current row's patch in its recording, from 0. 0 without a row.
uint64_t sleeve_stream_reader_index(const sleeve_stream_reader *reader);

// The start of the current row's patch in its recording, in seconds. 0 without a row.
double sleeve_stream_reader_time(const sleeve_stream_reader *reader);

// The values of the output at `index` (in the extractor's order) in the current row, and how many there are.
//
// Valid until the next call of `sleeve_stream_reader_next`. Errors: NOT_FOUND for the index, or without a row.
sleeve_status sleeve_stream_reader_output(const sleeve_stream_reader *reader,
                                          size_t index,
                                          const float **values,
                                          size_t *dim);

// Frees a reader. The writer's calls return CLOSED from then on. NULL is allowed.
void sleeve_stream_reader_free(sleeve_stream_reader *reader);

/* ---- Batches: many recordings ---------------------------------------------- */

// Analyses `count` files on `workers` threads (0: every core that the process may use). Patches of many recordings are
// run in full batches. Memory does not grow with the number of recordings, and with their length only by the rows of
// the analyses. Results have the same bits as those of `sleeve_extractor_run_file`.
//
// Both callbacks are called on the calling thread, one at a time; `progress` may be NULL. A file that fails is
// reported to `result`, and the run continues. `done`, also set with CANCELLED, is the number of files analysed.
//
// Returns CANCELLED if `progress` returned false. Errors: INVALID_ARGUMENT for the extractor of a head or more than
// 1024 workers; UNAVAILABLE if threads cannot be started.
sleeve_status sleeve_batch_run(const sleeve_extractor *extractor,
                               const char *const *paths,
                               size_t count,
                               size_t workers,
                               sleeve_batch_result_callback result,
                               sleeve_batch_progress_callback progress,
                               void *user_data,
                               size_t *done);

/* ---- Mel-spectrogram alone ------------------------------------------------- */

// Makes an object that computes mel-spectrograms.
sleeve_status sleeve_mel_new(sleeve_mel **mel);

// Computes one mel frame: SLEEVE_MEL_FRAME_SIZE samples at 16 kHz to SLEEVE_MEL_BANDS values, `log10(1 + 10000 mel)`,
// as in Essentia's `TensorflowInputMusiCNN`. NaN and infinite samples are not checked for: they give NaN or infinite
// bands.
sleeve_status sleeve_mel_frame(sleeve_mel *mel,
                               const float *samples,
                               float *bands);

// The number of mel frames of `samples` samples. The first mel frame is centred on sample 0.
uint64_t sleeve_mel_frame_count(uint64_t samples);

// Computes every mel frame of `count` samples at 16 kHz: `[mel_frames, SLEEVE_MEL_BANDS]` values. `capacity` is the
// number of mel frames that fit into `values`; `sleeve_mel_frame_count` gives the number needed.
//
// Errors: INVALID_ARGUMENT if `capacity` is too small; then nothing is written.
sleeve_status sleeve_mel_compute(sleeve_mel *mel,
                                 const float *samples,
                                 size_t count,
                                 float *values,
                                 size_t capacity,
                                 size_t *mel_frames);

// Frees the object. NULL is allowed.
void sleeve_mel_free(sleeve_mel *mel);

/* ---- Libraries: tracks with their embeddings, and which are alike ---------- */

// Opens a library file and checks all of it.
//
// Errors: IO; LIBRARY if it is not a library file, has another version, is cut or damaged.
sleeve_status sleeve_library_open(const char *file, sleeve_library **library);

// The number of tracks; 0 for NULL.
size_t sleeve_library_track_count(const sleeve_library *library);

// The number of values of a track's vector; 0 for NULL.
size_t sleeve_library_dim(const sleeve_library *library);

// The name of the model that made the vectors; NULL for NULL.
//
// Valid as long as the library.
const char *sleeve_library_model(const sleeve_library *library);

// The SHA-256 of that model's graph in hexadecimal digits; NULL for NULL.
//
// Valid as long as the library.
const char *sleeve_library_model_sha256(const sleeve_library *library);

// The name of the activation at `index`; NULL beyond the last, and if the library has none.
//
// Valid as long as the library.
const char *sleeve_library_class_name(const sleeve_library *library, size_t index);

// Whether the file was written to or replaced since it was opened; opening it again shows what it has now. False for
// NULL.
bool sleeve_library_has_changed(const sleeve_library *library);

// Checks that what an extractor gives can be compared with the library's vectors.
//
// Errors: LIBRARY, with both models by name; INVALID_ARGUMENT if the extractor has no embeddings.
sleeve_status sleeve_library_check_extractor(const sleeve_library *library,
                                             const sleeve_extractor *extractor);

// Copies a text of a track, NUL-terminated and truncated to `size` bytes: `"path"` (absolute where the library is one
// folder or its tracks are), `"artist"`, `"album_artist"`, `"album"`, `"title"`, `"label"` or `"genre"`. In a path, what
// is not UTF-8 is replaced; `sleeve_library_file` copies its own bytes.
//
// Returns the length of the whole text without its NUL; 0 if it is empty, for NULL, an unknown name and beyond the last
// track. With `buffer` NULL or `size` 0 nothing is written.
size_t sleeve_library_text(const sleeve_library *library,
                           size_t track,
                           const char *name,
                           char *buffer,
                           size_t size);

// Copies the path of a track's file in the system's encoding to `buffer`, NUL-terminated; nothing if it does not fit.
//
// Returns the length of the whole path without its NUL; 0 for NULL and beyond the last track. With `buffer` NULL
// nothing is written.
size_t sleeve_library_file(const sleeve_library *library,
                           size_t track,
                           char *buffer,
                           size_t size);

// The duration of a track in seconds; 0 for NULL and beyond the last track.
double sleeve_library_seconds(const sleeve_library *library, size_t track);

// The year of a track; 0 if it is not known, for NULL and beyond the last track.
int32_t sleeve_library_year(const sleeve_library *library, size_t track);

// The vector of a track: the mean over its patches.
//
// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track.
sleeve_status sleeve_library_vector(const sleeve_library *library,
                                    size_t track,
                                    const float **values,
                                    size_t *dim);

// The activations of a track, one for each name of `sleeve_library_class_name`; NULL if the library has none.
//
// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track.
sleeve_status sleeve_library_activations(const sleeve_library *library,
                                         size_t track,
                                         const float **values,
                                         size_t *count);

// The vectors of a track's patches, one after the other, `count` values in all; NULL if they were not kept.
//
// The values are valid as long as the library. Errors: NOT_FOUND beyond the last track; LIBRARY if they are damaged.
sleeve_status sleeve_library_patches(const sleeve_library *library,
                                     size_t track,
                                     const float **values,
                                     size_t *count);

// The track whose file has this path: absolute, or relative to the library's folder.
//
// Errors: NOT_FOUND.
sleeve_status sleeve_library_find_path(const sleeve_library *library, const char *file, size_t *track);

// The cosine of two tracks' vectors, from -1 to 1.
//
// Errors: NOT_FOUND beyond the last track.
sleeve_status sleeve_library_cosine(const sleeve_library *library, size_t one, size_t other, float *cosine);

// The tracks that are most similar to a query's seeds, best first.
//
// Errors: INVALID_ARGUMENT if the query has no seed, a seed is no track or has another size, the seeds cancel each
// other, or a filter names an activation that the library does not have.
sleeve_status sleeve_library_find(const sleeve_library *library,
                                  const sleeve_query *query,
                                  sleeve_tracks **tracks);

// A playlist: each track is near the query's seeds and near the track before, no recording comes twice, and it begins
// with the first seed that is a track. The cosines are those with the seeds.
//
// Errors: as `sleeve_library_find`.
sleeve_status sleeve_library_playlist(const sleeve_library *library,
                                      const sleeve_query *query,
                                      sleeve_tracks **tracks);

// A path from one track to another in small steps, both included: as many tracks as the query's count. Of the query,
// count, filters, precision, threads and the rule for near-duplicates matter. The cosines are those with the track
// before.
//
// Errors: INVALID_ARGUMENT if a track does not exist, both are the same, the count is less than 2, or the filter leaves
// too few tracks.
sleeve_status sleeve_library_path(const sleeve_library *library,
                                  const sleeve_query *query,
                                  size_t from,
                                  size_t to,
                                  sleeve_tracks **tracks);

// A few tracks that cover the library: the first follows from the query's seed for random numbers, and each other is the
// one farthest from all before. Of the query, count, filters, seed and threads matter. The cosines are the largest with
// a track before.
//
// Errors: INVALID_ARGUMENT if a filter names an activation that the library does not have.
sleeve_status sleeve_library_sample(const sleeve_library *library,
                                    const sleeve_query *query,
                                    sleeve_tracks **tracks);

// All tracks that are the same recording as another one, group after group; `sleeve_tracks_group` tells groups apart.
// Of the query, threads and the rule for near-duplicates matter. The cosines are those with the first of the group.
sleeve_status sleeve_library_duplicates(const sleeve_library *library,
                                        const sleeve_query *query,
                                        sleeve_tracks **tracks);

// Frees a library. NULL is allowed.
void sleeve_library_free(sleeve_library *library);

/* ---- Queries: what is asked of a library ----------------------------------- */

// Makes a query without seeds, for 10 tracks.
sleeve_status sleeve_query_new(sleeve_query **query);

// Adds a track of the library as a seed. `weight` is usually 1; with a negative one, results are not to be like it.
sleeve_status sleeve_query_add_track(sleeve_query *query,
                                     size_t track,
                                     float weight);

// Adds a vector as a seed, `dim` values: the mean embedding of a recording that is not of the library, or any other.
sleeve_status sleeve_query_add_vector(sleeve_query *query,
                                      const float *values,
                                      size_t dim,
                                      float weight);

// Sets the number of tracks.
sleeve_status sleeve_query_set_count(sleeve_query *query, size_t count);

// Sets how many tracks of an artist there may be; 0, the default, means no limit.
sleeve_status sleeve_query_set_max_per_artist(sleeve_query *query, size_t count);

// Sets how many tracks of an album there may be; 0, the default, means no limit.
sleeve_status sleeve_query_set_max_per_album(sleeve_query *query, size_t count);

// Sets the policy for near-duplicates, the same recording in another encoding or from another release: `"keep"` (the
// default), `"skip"`, or `"list"` (they come beside the others, and `sleeve_tracks_get` says of which they are one).
sleeve_status sleeve_query_set_duplicates(sleeve_query *query,
                                          const char *policy);

// Sets what counts as a near-duplicate: the least cosine, and the largest difference of the durations in seconds. By
// default the library's model decides: 0.9 for `sleeve-musicnn-1`, 0.97 for others, and 2 seconds.
sleeve_status sleeve_query_set_duplicate_rule(sleeve_query *query,
                                              float cosine,
                                              double seconds);

// Sets the rows that are searched: `"f32"` (the default) or `"int8"` (a quarter of the memory to read; the best are
// computed again from the floats).
sleeve_status sleeve_query_set_precision(sleeve_query *query,
                                         const char *precision);

// Sets the number of threads; 0 (the default) means every core that the process may use. Results do not depend on it.
sleeve_status sleeve_query_set_threads(sleeve_query *query,
                                       size_t threads);

// Adds a filter: only tracks of this `"folder"`, `"artist"`, `"album"`, `"label"` or `"genre"`. Of several with the same
// name, one must hold; of different names, all.
sleeve_status sleeve_query_add_filter(sleeve_query *query,
                                      const char *name,
                                      const char *value);

// Only tracks of the years from `first` to `last`.
sleeve_status sleeve_query_set_years(sleeve_query *query, int32_t first, int32_t last);

// Only tracks whose activation of this class is larger than `value` (`above` true) or smaller. All such bounds must
// hold.
sleeve_status sleeve_query_add_bound(sleeve_query *query,
                                     const char *class_name,
                                     bool above,
                                     float value);

// All tracks but this one.
sleeve_status sleeve_query_exclude(sleeve_query *query, size_t track);

// Sets how a playlist goes on. `drift`: how far it goes away from the seeds, from 0 to 1 (default 0.3). `variety`: how
// much is left to chance, from 0 (the default) to 1. `artist_gap`: the tracks between two of an artist (default 2).
sleeve_status sleeve_query_set_playlist(sleeve_query *query,
                                        float drift,
                                        float variety,
                                        size_t artist_gap);

// Sets the seed of random numbers for playlists and samples (default 0): the same one gives the same tracks.
sleeve_status sleeve_query_set_seed(sleeve_query *query, uint64_t seed);

// Frees a query. NULL is allowed.
void sleeve_query_free(sleeve_query *query);

// The number of tracks; 0 for NULL.
size_t sleeve_tracks_count(const sleeve_tracks *tracks);

// The track at `index` of the list, and its cosine. `duplicate_of` becomes the track that it is a near-duplicate of, or
// SIZE_MAX; it may be NULL.
//
// Errors: NOT_FOUND.
sleeve_status sleeve_tracks_get(const sleeve_tracks *tracks,
                                size_t index,
                                size_t *track,
                                float *cosine,
                                size_t *duplicate_of);

// The number of the group that the track at `index` belongs to, from 0: for `sleeve_library_duplicates`. 0 for NULL and
// beyond the last.
size_t sleeve_tracks_group(const sleeve_tracks *tracks,
                           size_t index);

// Frees a list of tracks. NULL is allowed.
void sleeve_tracks_free(sleeve_tracks *tracks);

/* ---- Tracks: what a library is told of one --------------------------------- */

// Makes a track with the path of its file: relative to the library's folder, or absolute in a library that is not one
// folder.
sleeve_status sleeve_track_new(const char *file,
                               sleeve_track **track);

// Sets the duration in seconds, 0 or more.
sleeve_status sleeve_track_set_seconds(sleeve_track *track, double seconds);

// Sets a tag: `"artist"`, `"album_artist"`, `"album"`, `"title"`, `"label"` or `"genre"`.
sleeve_status sleeve_track_set_tag(sleeve_track *track, const char *name, const char *value);

// Sets the year; 0 means that it is not known.
sleeve_status sleeve_track_set_year(sleeve_track *track, int32_t year);

// Reads from a file what `sleeve similar index` recognises a track by: its size, the time of its last change, and the
// SHA-256 of its encoded audio.
//
// Errors: IO, AUDIO.
sleeve_status sleeve_track_read_file(sleeve_track *track,
                                     const char *file);

// Frees a track. NULL is allowed.
void sleeve_track_free(sleeve_track *track);

/* ---- Writers of libraries -------------------------------------------------- */

// Creates a library file for what an extractor gives; an existing file is replaced by the first flush. `root` is the
// library's folder, absolute, or empty if the library is not one folder.
//
// Errors: IO; LIBRARY if another process is writing it; INVALID_ARGUMENT if the extractor has no embeddings.
sleeve_status sleeve_library_writer_create(const char *file,
                                           const char *root,
                                           const sleeve_extractor *extractor,
                                           sleeve_library_writer **writer);

// The same for vectors of `dim` values that came from elsewhere. `model` and `sha256` are what a library of another
// model is recognised by.
//
// Errors: as `sleeve_library_writer_create`.
sleeve_status sleeve_library_writer_create_other(const char *file,
                                                 const char *root,
                                                 const char *model,
                                                 const char *sha256,
                                                 size_t dim,
                                                 sleeve_library_writer **writer);

// Opens an existing library file for writing.
//
// Errors: IO; LIBRARY if it cannot be used, or another process is writing it.
sleeve_status sleeve_library_writer_open(const char *file, sleeve_library_writer **writer);

// Adds a track with the means of an analysis's embeddings and, if the library has activations, predictions; with
// `keep_patches`, the embedding of every patch, too.
//
// Errors: INVALID_ARGUMENT if the analysis has no patches or no embeddings, or they are not of the library's size.
sleeve_status sleeve_library_writer_add(sleeve_library_writer *writer,
                                        const sleeve_track *track,
                                        const sleeve_analysis *analysis,
                                        bool keep_patches);

// Adds a track with a vector of `dim` values, to a library without activations.
//
// Errors: INVALID_ARGUMENT if it is not of the library's size, has no direction or is not finite.
sleeve_status sleeve_library_writer_add_vector(sleeve_library_writer *writer,
                                               const sleeve_track *track,
                                               const float *values,
                                               size_t dim);

// Changes what is known of a track, which keeps its vector. `index` is that of the library as it was when the writer was
// made.
//
// Errors: INVALID_ARGUMENT beyond the last track.
sleeve_status sleeve_library_writer_replace(sleeve_library_writer *writer,
                                            size_t index,
                                            const sleeve_track *track);

// Removes a track. `index` is that of the library as it was when the writer was made.
//
// Errors: INVALID_ARGUMENT beyond the last track.
sleeve_status sleeve_library_writer_remove(sleeve_library_writer *writer, size_t index);

// Writes everything that was added, changed and removed to the file, and waits for the disk.
//
// Errors: IO. The file is then as it was.
sleeve_status sleeve_library_writer_flush(sleeve_library_writer *writer);

// Flushes, and ends the writer, which can then only be freed. A file with many parts is rewritten as one.
//
// Errors: IO.
sleeve_status sleeve_library_writer_finish(sleeve_library_writer *writer);

// Frees a writer. What was not flushed is lost. NULL is allowed.
void sleeve_library_writer_free(sleeve_library_writer *writer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SLEEVE_SLEEVE_H */
