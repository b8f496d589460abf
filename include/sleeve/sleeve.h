/*
 * sleeve.h: music embeddings. Audio in; out comes, for every two or three seconds, a vector that says what the
 * recording sounds like, and tags.
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
 * Rules that hold for every function
 *
 * Objects. Handles are made by a function with an out-parameter and belong to the caller, who frees each once with
 * its own `_free`; freeing NULL does nothing. Using a handle after it was freed, or one of another type, is the
 * caller's fault and cannot be caught. Objects do not depend on those they were made from: any may be freed first.
 *
 * Threads. A `const` pointer to an object may be used by several threads at once; one that is not `const` by one
 * thread at a time. Every object may be freed on another thread than it was made on. Nothing is global but the log
 * callback. A process that has used this library must not go on using it in a child made by fork() without exec().
 *
 * Status. A function that can fail returns a sleeve_status, and sets its out-parameters only when that is
 * SLEEVE_STATUS_OK, unless its description says otherwise. sleeve_last_error has the message: what failed (the file,
 * the option) and why. NULL for any pointer that is not said to allow it is SLEEVE_STATUS_NULL_POINTER. Nothing
 * aborts or throws: a fault inside is SLEEVE_STATUS_PANIC. Functions that cannot fail answer NULL with 0 or NULL.
 *
 * Memory. Text is UTF-8 and NUL-terminated; paths are the system's bytes. Arrays are C-contiguous and aligned for
 * their type; an array of `n` elements must really have `n`: only lengths that cannot exist are noticed. Pointers that
 * functions return belong to the object they came from.
 *
 * Callbacks must not throw, unwind or longjmp through the library.
 *
 * Versions. The ABI version (SLEEVE_ABI_VERSION, the number in `libsleeve.so.1`) grows when a program that was built
 * against an older header would no longer run: a function that went, a signature, a status's number, or a documented
 * behaviour that changed. Functions, statuses and options may be added under the same number, so a program runs with
 * any later library of its ABI version. The library's version (SLEEVE_VERSION) follows semantic versioning for the
 * Rust API, and a new ABI version is always a new major version of it (below 1.0: a new minor one).
 */

#ifndef SLEEVE_SLEEVE_H
#define SLEEVE_SLEEVE_H

/* Written by cbindgen (`cargo xtask header`): change bindings/c/src/ instead. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/// The version of this header.
#define SLEEVE_VERSION "0.2.0"
#define SLEEVE_VERSION_MAJOR 0
#define SLEEVE_VERSION_MINOR 2
#define SLEEVE_VERSION_PATCH 0

// The version of this ABI: the number in the name of the shared library (`libsleeve.so.1`). It grows when a
// program built against an older header would no longer run; additions leave it alone.
#define SLEEVE_ABI_VERSION 1

// Samples of one frame: 32 ms at 16 kHz.
#define SLEEVE_MEL_FRAME_SIZE 512

// Samples from one frame to the next: 16 ms at 16 kHz.
#define SLEEVE_MEL_HOP 256

// Mel bands of a frame.
#define SLEEVE_MEL_BANDS 96

// How a call ended. Numbers are never reused or changed; later versions may add some, so treat an unknown
// one as an error.
typedef enum {
  // Done; every out-parameter is set.
  SLEEVE_STATUS_OK = 0,
  // A fault in the library, contained. The object concerned should be freed and not used again.
  SLEEVE_STATUS_PANIC = 1,
  // A pointer that must not be NULL is.
  SLEEVE_STATUS_NULL_POINTER = 2,
  // An argument is outside its documented range.
  SLEEVE_STATUS_INVALID_ARGUMENT = 3,
  // The operating system refused to read or write something.
  SLEEVE_STATUS_IO = 4,
  // The input is not audio that can be decoded.
  SLEEVE_STATUS_AUDIO = 5,
  // A sample is NaN or infinite.
  SLEEVE_STATUS_NON_FINITE = 6,
  // A model's graph or metadata cannot be used.
  SLEEVE_STATUS_MODEL = 7,
  // A device, precision, engine or format that this build or machine does not have.
  SLEEVE_STATUS_UNAVAILABLE = 8,
  // The network failed while running.
  SLEEVE_STATUS_ENGINE = 9,
  // What was asked for does not exist: an index, an output, a name.
  SLEEVE_STATUS_NOT_FOUND = 10,
  // A stream: not everything was taken, or no result is ready. Try again later; nothing is wrong.
  SLEEVE_STATUS_WOULD_BLOCK = 11,
  // A stream: the recording is over, and all its results have been had.
  SLEEVE_STATUS_FINISHED = 12,
  // A stream: the other of the two handles has been freed.
  SLEEVE_STATUS_CLOSED = 13,
  // The caller's own callback stopped the work.
  SLEEVE_STATUS_CANCELLED = 14,
} sleeve_status;

// How much a log record matters.
typedef enum {
  // Something failed.
  SLEEVE_LOG_ERROR = 1,
  // Something a user should know.
  SLEEVE_LOG_WARN = 2,
  // What was chosen and why.
  SLEEVE_LOG_INFO = 3,
  // What a developer may want to see.
  SLEEVE_LOG_DEBUG = 4,
  // Everything.
  SLEEVE_LOG_TRACE = 5,
} sleeve_log_level;

// What an output is for.
typedef enum {
  // Not said.
  SLEEVE_PURPOSE_OTHER = 0,
  // A vector that describes the sound.
  SLEEVE_PURPOSE_EMBEDDINGS = 1,
  // Class activations.
  SLEEVE_PURPOSE_PREDICTIONS = 2,
} sleeve_purpose;

// What an extractor says about one recording. Never changes: threads may share it.
typedef struct sleeve_analysis sleeve_analysis;

// A model ready to run, with its engine and the heads behind it; or a head alone, for embeddings. Never
// changes: threads may share it and run it at the same time.
typedef struct sleeve_extractor sleeve_extractor;

// The front end's tables and buffers. For one thread at a time.
typedef struct sleeve_mel sleeve_mel;

// A network with its metadata: an EfficientNet or MusiCNN that takes audio, or a head that takes their
// embeddings. Never changes: threads may share it, and extractors of one model share its weights.
typedef struct sleeve_model sleeve_model;

// How an extractor is to run. Extractors copy what they need: options may be changed, used again or freed at
// any time after. For one thread at a time.
typedef struct sleeve_options sleeve_options;

// The end of a stream that results come out at. For one thread at a time: `sleeve_stream_reader_next` resamples, computes the
// mel-spectrogram and runs the networks.
typedef struct sleeve_stream_reader sleeve_stream_reader;

// The end of a stream that audio goes in at. For one thread, which may be a real-time one: no call of a writer waits,
// takes a lock, allocates memory or enters the operating system, but that which frees it.
typedef struct sleeve_stream_writer sleeve_stream_writer;

// Receives a record: its level, the part of the library it comes from and the message, both UTF-8 and valid
// during the call only. It may be called from any thread, also from several at once.
typedef void (*sleeve_log_callback)(void *user_data,
                                    sleeve_log_level level,
                                    const char *target,
                                    const char *message);

// Receives what became of one recording, once for each, in whatever order they are done: its index among the paths, and
// either OK and its analysis, or the status and the reason (CANCELLED for those that were under way when the work was
// stopped). The analysis belongs to the callback, which frees it; `message` is valid during the call only, and empty
// with OK.
typedef void (*sleeve_batch_result_callback)(void *user_data,
                                             size_t index,
                                             sleeve_status status,
                                             const char *message,
                                             sleeve_analysis *analysis);

// Hears how far the work is, about ten times a second: recordings that are whole, those that failed, and seconds of
// audio decoded so far. It answers whether to go on; false ends the work within the time of a batch.
typedef bool (*sleeve_batch_progress_callback)(void *user_data, size_t done, size_t failed, double seconds);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version, as `"0.1.0"`. Compare with `SLEEVE_VERSION`, the header's.
//
// Never NULL; valid for the life of the process.
const char *sleeve_version(void);

// The ABI version of the library that is loaded. Compare with `SLEEVE_ABI_VERSION`, the header's.
uint32_t sleeve_abi_version(void);

// A status in a word or two, in English: `"not decodable audio"`; `"unknown status"` for a number that this
// version does not have.
//
// Never NULL; valid for the life of the process.
const char *sleeve_status_name(int32_t status);

// Copies the message of this thread's last failed call, NUL-terminated and cut to `size` bytes (never inside a
// UTF-8 character). A call that succeeds leaves the message alone.
//
// Returns the length of the whole message without its NUL: 0 if no call has failed on this thread. With
// `buffer` NULL or `size` 0 nothing is written.
size_t sleeve_last_error(char *buffer,
                         size_t size);

// Sends the library's log records up to `level` (1 to 5, a `sleeve_log_level`) to `callback`, for the whole
// process; NULL silences it again, which is how it starts. `user_data` is handed to the callback.
//
// A thread that is inside the callback may still be there when this returns. Errors: INVALID_ARGUMENT for the
// level; UNAVAILABLE where a Rust program has installed a logger of its own.
sleeve_status sleeve_set_log_callback(sleeve_log_callback callback, void *user_data, int32_t level);

// The number of devices that models can run on here: the CPU, and each CUDA device that answers. Where the torch plugin
// is installed, this loads it to ask.
size_t sleeve_device_count(void);

// Copies the name of a device as `sleeve_options_set_device` takes it (`"cpu"` is index 0), NUL-terminated and
// cut to `size` bytes; returns the length of the whole name without its NUL, 0 beyond the last device.
size_t sleeve_device_name(size_t index,
                          char *buffer,
                          size_t size);

// Copies what a device is, for people (`"CPU, AVX-512"`), in the same manner.
size_t sleeve_device_description(size_t index, char *buffer, size_t size);

// Opens a model by what names it: an `.onnx` file, the `.json` beside it, their common stem, or the name of a
// bundled model (files come first).
//
// Errors: IO, MODEL, UNAVAILABLE; the message names the file and the reason.
sleeve_status sleeve_model_open(const char *file, sleeve_model **model);

// Opens a model inside the library by name; NULL is the default one.
//
// Errors: MODEL, with the names there are.
sleeve_status sleeve_model_bundled(const char *name, sleeve_model **model);

// Makes a model from memory: `onnx_size` bytes of an `.onnx` file, and `json_size` bytes of its metadata in
// UTF-8 (NULL and 0 for none). Both are copied.
//
// Errors: MODEL.
sleeve_status sleeve_model_from_memory(const uint8_t *onnx,
                                       size_t onnx_size,
                                       const char *json,
                                       size_t json_size,
                                       sleeve_model **model);

// The name of the bundled model at `index`, the default being 0; NULL beyond the last.
//
// Valid for the life of the process.
const char *sleeve_bundled_name(size_t index);

// The model's name: the stem of its file, or the name it was opened by. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_name(const sleeve_model *model);

// The SHA-256 of the graph's bytes, weights included, in hexadecimal. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_sha256(const sleeve_model *model);

// The model's metadata as JSON in Essentia's schema, UTF-8; `"{}"` where there is none. NULL for NULL.
//
// Valid as long as the model.
const char *sleeve_model_json(const sleeve_model *model);

// The sample rate of the audio that the model was made for, in Hz (audio at others is resampled). 0 for NULL.
uint32_t sleeve_model_sample_rate(const sleeve_model *model);

// Whether the model is a head: it takes another model's embeddings in place of audio. False for NULL.
bool sleeve_model_is_head(const sleeve_model *model);

// The shape of one row of the model's input: `frames` mel frames of `bands` bands; for a head, 1 and the
// length of its input vector.
sleeve_status sleeve_model_input(const sleeve_model *model, size_t *frames, size_t *bands);

// Frees a model. Extractors made from it go on working. NULL is allowed.
void sleeve_model_free(sleeve_model *model);

// Makes options with the defaults.
sleeve_status sleeve_options_new(sleeve_options **options);

// Which engine runs the model: `"auto"` (the default), `"effnet"` (the fused EfficientNet-B0), `"onnx"` (any
// ONNX graph) or `"torch"` (TorchScript, through its plugin).
sleeve_status sleeve_options_set_engine(sleeve_options *options, const char *engine);

// Where the model runs: `"auto"` (the default: CUDA if it answers, else the CPU), `"cpu"`, `"cuda"`, `"cuda:1"`
// or `"cuda:0,1"`.
sleeve_status sleeve_options_set_device(sleeve_options *options,
                                        const char *device);

// The arithmetic it runs in: `"auto"` (the default: f32 on a CPU), `"f32"`, `"bf16"` or `"fp16"`.
sleeve_status sleeve_options_set_precision(sleeve_options *options, const char *precision);

// How audio at other rates is brought to the model's: `"linear"` (the default, what published models were made
// with) or `"sinc"` (band-limited).
sleeve_status sleeve_options_set_resampler(sleeve_options *options,
                                           const char *resampler);

// What becomes of the frames after the last whole patch: `"discard"` (the default) or `"repeat"` (they are
// repeated until they fill one, so that short recordings have one too).
sleeve_status sleeve_options_set_last_patch(sleeve_options *options, const char *last_patch);

// Threads the network may use; 0 (the default) means every core the process may use.
sleeve_status sleeve_options_set_threads(sleeve_options *options, size_t threads);

// Patches a batch, 1 to 4096; 0 (the default) lets the engine choose.
sleeve_status sleeve_options_set_batch_size(sleeve_options *options, size_t patches);

// Frames from one patch to the next (a frame is 16 ms), 1 to 65536; 0 (the default) is the model's own.
sleeve_status sleeve_options_set_patch_hop(sleeve_options *options, size_t frames);

// Asks for one output of the model, by purpose (`"embeddings"`, `"predictions"`) or by the tensor's name; may be
// called several times. By default every output whose purpose is known is given, or all if none is.
sleeve_status sleeve_options_add_output(sleeve_options *options,
                                        const char *output);

// Adds a head behind the model: a model that takes its embeddings. The head may be freed afterwards.
sleeve_status sleeve_options_add_head(sleeve_options *options, const sleeve_model *head);

// Frees options. NULL is allowed.
void sleeve_options_free(sleeve_options *options);

// The number of patches (rows): 0 for a recording shorter than a patch, and for NULL.
size_t sleeve_analysis_patch_count(const sleeve_analysis *analysis);

// Where each patch starts, in seconds: one number for each patch. NULL for NULL, without a patch, and for the
// rows of embeddings, which have no time.
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
// The values are valid as long as the analysis. Errors: NOT_FOUND where the model has none or they were not
// asked for.
sleeve_status sleeve_analysis_embeddings(const sleeve_analysis *analysis, const float **values, size_t *dim);

// The predictions, `[patches, dim]`, mostly activations from 0 to 1: of the last head if there is one, else of
// the model itself. `sleeve_analysis_class_name` names the columns.
//
// The values are valid as long as the analysis. Errors: NOT_FOUND.
sleeve_status sleeve_analysis_predictions(const sleeve_analysis *analysis,
                                          const float **values,
                                          size_t *dim);

// Writes the mean over all patches of the output at `index` to `mean`, `dim` values.
//
// Errors: NOT_FOUND for the index or without a patch; INVALID_ARGUMENT if `dim` is not the output's.
sleeve_status sleeve_analysis_mean(const sleeve_analysis *analysis, size_t index, float *mean, size_t dim);

// The name of a column of `sleeve_analysis_predictions`, in UTF-8; NULL beyond the last, and where the metadata
// names none.
//
// Valid as long as the analysis.
const char *sleeve_analysis_class_name(const sleeve_analysis *analysis,
                                       size_t index);

// What a user should know about the recording (it was cut short, its header lied): the sentence at `index`,
// NULL beyond the last.
//
// Valid as long as the analysis.
const char *sleeve_analysis_warning(const sleeve_analysis *analysis, size_t index);

// Frees an analysis. NULL is allowed.
void sleeve_analysis_free(sleeve_analysis *analysis);

// Makes an extractor of `model`; `options` may be NULL for the defaults. A head by itself makes an extractor
// that runs on embeddings only.
//
// Errors: MODEL, INVALID_ARGUMENT when a head or an output does not fit; UNAVAILABLE when the engine, device or
// precision is not here.
sleeve_status sleeve_extractor_new(const sleeve_model *model,
                                   const sleeve_options *options,
                                   sleeve_extractor **extractor);

// The engine that was chosen, for people: `"effnet: cpu, AVX-512, f32, 2 threads"`. NULL for NULL.
//
// Valid as long as the extractor.
const char *sleeve_extractor_engine(const sleeve_extractor *extractor);

// What a user should know about how the model was read or the engine chosen: the sentence at `index`, NULL
// beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_warning(const sleeve_extractor *extractor, size_t index);

// How many outputs a row has: those of the model, then those of each head. 0 for NULL.
size_t sleeve_extractor_output_count(const sleeve_extractor *extractor);

// What the output at `index` is for, and the values it has in a row.
//
// Errors: NOT_FOUND.
sleeve_status sleeve_extractor_output(const sleeve_extractor *extractor,
                                      size_t index,
                                      sleeve_purpose *purpose,
                                      size_t *dim);

// The model or head that the output at `index` comes from; NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_output_model(const sleeve_extractor *extractor, size_t index);

// The name of the tensor that the output at `index` is in its graph; NULL beyond the last.
//
// Valid as long as the extractor.
const char *sleeve_extractor_output_tensor(const sleeve_extractor *extractor, size_t index);

// The name of one value of the output at `index`, in UTF-8; NULL where the metadata names none.
//
// Valid as long as the extractor.
const char *sleeve_extractor_class_name(const sleeve_extractor *extractor, size_t index, size_t value);

// Analyses one audio file of any format, rate and channel count.
//
// Errors: IO, AUDIO, NON_FINITE, ENGINE; INVALID_ARGUMENT for a head.
sleeve_status sleeve_extractor_run_file(const sleeve_extractor *extractor,
                                        const char *file,
                                        sleeve_analysis **analysis);

// Analyses `frames` sample frames of `channels` interleaved channels at `sample_rate` Hz, full scale being 1.
// Channels are averaged; rates from 1000 to 768000 Hz are resampled to the model's.
//
// Errors: INVALID_ARGUMENT; NON_FINITE with the index of the frame; ENGINE.
sleeve_status sleeve_extractor_run_samples(const sleeve_extractor *extractor,
                                           const float *samples,
                                           size_t frames,
                                           uint32_t channels,
                                           uint32_t sample_rate,
                                           sleeve_analysis **analysis);

// Runs the model on `patches` mel patches, `[patches, frames, bands]`, as `sleeve_mel_compute` gives frames;
// `frames` and `bands` are those of `sleeve_model_input`. Times are those of consecutive patches.
//
// Errors: INVALID_ARGUMENT when the shape is not the model's; ENGINE.
sleeve_status sleeve_extractor_run_patches(const sleeve_extractor *extractor,
                                           const float *values,
                                           size_t patches,
                                           size_t frames,
                                           size_t bands,
                                           sleeve_analysis **analysis);

// Runs a head on `rows` embeddings, `[rows, dim]`; `dim` is the `bands` of `sleeve_model_input`.
//
// Errors: INVALID_ARGUMENT when the extractor is not a head's or `dim` is not its own; ENGINE.
sleeve_status sleeve_extractor_run_embeddings(const sleeve_extractor *extractor,
                                              const float *values,
                                              size_t rows,
                                              size_t dim,
                                              sleeve_analysis **analysis);

// Frees an extractor. Streams and analyses made by it live on. NULL is allowed.
void sleeve_extractor_free(sleeve_extractor *extractor);

// Opens a stream of interleaved `channels` at `sample_rate` Hz: `writer` for the thread that has the audio, `reader`
// for the one that wants the results. The queue between them holds `capacity` sample frames; 0 is ten seconds.
//
// Rows are the same bits as `sleeve_extractor_run_samples` gives for the whole recording, however it is cut. Several
// streams may share an extractor.
//
// Errors: INVALID_ARGUMENT for a rate outside 1000 to 768000 Hz, no channel, a capacity that memory does not hold, or a
// head's extractor.
sleeve_status sleeve_stream_new(const sleeve_extractor *extractor,
                                uint32_t sample_rate,
                                uint32_t channels,
                                size_t capacity,
                                sleeve_stream_writer **writer,
                                sleeve_stream_reader **reader);

// Pushes `frames` frames of interleaved samples, full scale being 1. `taken`, which is also set with WOULD_BLOCK, is how
// many there was room for: push the rest again later, or decide what to leave out.
//
// WOULD_BLOCK when not all were taken, CLOSED when the reader is gone. Errors: INVALID_ARGUMENT after
// `sleeve_stream_writer_finish`. Samples that are not finite are the reader's error.
sleeve_status sleeve_stream_writer_write(sleeve_stream_writer *writer,
                                 const float *samples,
                                 size_t frames,
                                 size_t *taken);

// The same for 16-bit samples, of which full scale is 32768.
sleeve_status sleeve_stream_writer_write_i16(sleeve_stream_writer *writer,
                                     const int16_t *samples,
                                     size_t frames,
                                     size_t *taken);

// Frames that a push would take now. 0 for NULL.
size_t sleeve_stream_writer_available(const sleeve_stream_writer *writer);

// Marks the end of the recording, also when the queue is full. The reader hears all of it, its tail as that of a file,
// and then says FINISHED. A second call changes nothing.
sleeve_status sleeve_stream_writer_finish(sleeve_stream_writer *writer);

// Begins the next recording, in the memory of the last. One that was finished is still heard to its end first; one that
// was not is abandoned: the reader discards what is left of it and says CANCELLED once.
//
// WOULD_BLOCK if some 64 recordings wait to be heard, CLOSED when the reader is gone.
sleeve_status sleeve_stream_writer_reset(sleeve_stream_writer *writer);

// Frees a writer; a recording that was not finished is abandoned. NULL is allowed.
void sleeve_stream_writer_free(sleeve_stream_writer *writer);

// Moves on to the next row, hearing what was pushed as far as needed. A row is there as soon as the last sample of its
// patch was pushed; `sleeve_stream_reader_index`, `_time` and `_output` tell of it.
//
// OK when there is a row; WOULD_BLOCK when everything pushed so far is heard; FINISHED when the recording is over, until
// the writer begins the next one; CANCELLED, once, when the writer has abandoned the recording; CLOSED when it was freed
// without finishing it. Errors: NON_FINITE, with the index of the frame, after the rows before it; ENGINE. The recording
// is then lost, and the error returned again until the writer resets the stream.
sleeve_status sleeve_stream_reader_next(sleeve_stream_reader *reader);

// The index of the row's patch in its recording, from 0. 0 without a row.
uint64_t sleeve_stream_reader_index(const sleeve_stream_reader *reader);

// Where the row's patch starts in its recording, in seconds. 0 without a row.
double sleeve_stream_reader_time(const sleeve_stream_reader *reader);

// The row's values of the output at `index`, in the extractor's order, and how many they are.
//
// Valid until the next `sleeve_stream_reader_next`. Errors: NOT_FOUND for the index, or without a row.
sleeve_status sleeve_stream_reader_output(const sleeve_stream_reader *reader,
                                   size_t index,
                                   const float **values,
                                   size_t *dim);

// Frees a reader: pushes end in CLOSED from then on. NULL is allowed.
void sleeve_stream_reader_free(sleeve_stream_reader *reader);

// Analyses `count` files on `workers` threads (0: every core the process may use): patches of many recordings go through
// the network in full batches, in memory that grows neither with the number nor, but for its rows, with the length of the
// recordings. Results are the same bits as those of `sleeve_extractor_run_file`.
//
// Callbacks are called on the calling thread, one at a time; `progress` may be NULL. A file that fails is its own
// result's, and does not end the work. `done`, which is also set with CANCELLED, is the number of files analysed.
//
// CANCELLED when `progress` answered false. Errors: INVALID_ARGUMENT for a head's extractor or more than 1024 workers;
// UNAVAILABLE if threads cannot be started.
sleeve_status sleeve_batch_run(const sleeve_extractor *extractor,
                               const char *const *paths,
                               size_t count,
                               size_t workers,
                               sleeve_batch_result_callback result,
                               sleeve_batch_progress_callback progress,
                               void *user_data,
                               size_t *done);

// Makes a front end.
sleeve_status sleeve_mel_new(sleeve_mel **mel);

// One frame: SLEEVE_MEL_FRAME_SIZE samples at 16 kHz to SLEEVE_MEL_BANDS values, `log10(1 + 10000 mel)`, as
// Essentia's `TensorflowInputMusiCNN` computes them. Samples that are not finite give bands that are not.
sleeve_status sleeve_mel_frame(sleeve_mel *mel, const float *samples, float *bands);

// The number of frames that `samples` samples have. The first frame is centred on sample 0.
uint64_t sleeve_mel_frame_count(uint64_t samples);

// Every frame of `count` samples at 16 kHz: `[frames, SLEEVE_MEL_BANDS]` values. `room` is the number of
// frames that `values` has room for; `sleeve_mel_frame_count` says how many are needed.
//
// Errors: INVALID_ARGUMENT if there is not room enough; then nothing is written.
sleeve_status sleeve_mel_compute(sleeve_mel *mel,
                                 const float *samples,
                                 size_t count,
                                 float *values,
                                 size_t room,
                                 size_t *frames);

// Frees a front end. NULL is allowed.
void sleeve_mel_free(sleeve_mel *mel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SLEEVE_SLEEVE_H */
