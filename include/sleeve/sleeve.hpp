// sleeve.hpp: sleeve.h for C++17 and later. Header only, over the C ABI; it needs only the standard library.
//
//     auto extractor = sleeve::Extractor(sleeve::Model::bundled());
//     auto analysis = extractor.run_file("song.mp3");
//     for (float value : analysis.embeddings().row(0)) ...
//
// Every function that can fail comes twice: `open` throws sleeve::Error, `try_open` returns a [[nodiscard]]
// sleeve::Result, which has the value or the error. Types own their handles and are moved, not copied. Views (Span,
// Matrix, std::string_view) are valid as long as the object that returned them. A moved-from object may be assigned to
// or destroyed; any other use is an error (NULL_POINTER) or gives an empty result.
//
// Threads: const member functions may be called by several threads at once, others by one at a time.

#ifndef SLEEVE_SLEEVE_HPP
#define SLEEVE_SLEEVE_HPP

#include <sleeve/sleeve.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sleeve {

// ---- errors ----

// Why a call failed: what() is the message, which names the file or option concerned and the reason.
class Error : public std::runtime_error {
public:
    Error(sleeve_status status, const std::string &message) : std::runtime_error(message), status_(status) {}

    sleeve_status status() const noexcept { return status_; }

    // The error of this thread's last call.
    static Error last(sleeve_status status) {
        std::string message(sleeve_last_error(nullptr, 0) + 1, '\0');
        const std::size_t length = sleeve_last_error(message.data(), message.size());
        message.resize(length < message.size() ? length : message.size() - 1);
        if (message.empty()) message = sleeve_status_name(status);
        return Error(status, message);
    }

private:
    sleeve_status status_;
};

// A value or an error.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    // The value; throws the error if there is no value.
    T &value() & {
        if (!has_value()) throw error();
        return std::get<0>(content_);
    }
    const T &value() const & {
        if (!has_value()) throw error();
        return std::get<0>(content_);
    }
    T value() && {
        if (!has_value()) throw error();
        return std::move(std::get<0>(content_));
    }
    T &operator*() & { return value(); }
    T *operator->() { return &value(); }

    // The error; only without a value (std::bad_variant_access otherwise).
    const Error &error() const { return std::get<1>(content_); }

private:
    std::variant<T, Error> content_;
};

// The result of a call without a value: success or an error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}

    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const {
        if (error_) throw *error_;
    }
    // The error; only if there is one.
    const Error &error() const { return *error_; }

private:
    std::unique_ptr<Error> error_;
};

// ---- views ----

// A view of contiguous elements, made from anything with data() and size().
template <typename T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename Container,
              typename = std::enable_if_t<
                  !std::is_same_v<std::decay_t<Container>, Span> &&
                  std::is_convertible_v<decltype(std::declval<Container &>().data()), T *> &&
                  std::is_convertible_v<decltype(std::declval<Container &>().size()), std::size_t>>>
    constexpr Span(Container &&container) : data_(container.data()), size_(container.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

// A view of a matrix in row order.
class Matrix {
public:
    constexpr Matrix() noexcept = default;
    constexpr Matrix(const float *data, std::size_t rows, std::size_t columns) noexcept
        : data_(data), rows_(rows), columns_(columns) {}

    constexpr const float *data() const noexcept { return data_; }
    constexpr std::size_t rows() const noexcept { return rows_; }
    constexpr std::size_t columns() const noexcept { return columns_; }
    constexpr bool empty() const noexcept { return rows_ == 0 || columns_ == 0; }
    constexpr Span<const float> row(std::size_t index) const noexcept {
        return {data_ + index * columns_, columns_};
    }

private:
    const float *data_ = nullptr;
    std::size_t rows_ = 0;
    std::size_t columns_ = 0;
};

namespace detail {

template <auto Function>
struct Free {
    template <typename T>
    void operator()(T *handle) const noexcept {
        Function(handle);
    }
};

template <typename T, auto Function>
using Handle = std::unique_ptr<T, Free<Function>>;

inline Result<void> check(sleeve_status status) {
    if (status == SLEEVE_STATUS_OK) return {};
    return Error::last(status);
}

// The C functions refuse NULL, even for arrays without elements.
template <typename T>
const T *address(Span<const T> span) noexcept {
    static const T none{};
    return span.data() == nullptr && span.empty() ? &none : span.data();
}

inline std::string_view view(const char *text) noexcept { return text == nullptr ? std::string_view() : text; }

}  // namespace detail

// ---- the library and the machine ----

inline std::string_view version() noexcept { return sleeve_version(); }

inline std::vector<std::string> devices() {
    std::vector<std::string> names;
    for (std::size_t index = 0; index < sleeve_device_count(); ++index) {
        std::string name(sleeve_device_name(index, nullptr, 0) + 1, '\0');
        name.resize(sleeve_device_name(index, name.data(), name.size()));
        names.push_back(std::move(name));
    }
    return names;
}

// ---- models ----

// A network with its metadata.
class Model {
public:
    // An `.onnx` file, the `.json` beside it, their common stem, or a bundled model's name.
    static Result<Model> try_open(const std::string &file) {
        sleeve_model *model = nullptr;
        return made(sleeve_model_open(file.c_str(), &model), model);
    }
    static Model open(const std::string &file) { return try_open(file).value(); }

    // The same, with the input that it was trained on in place of what its metadata say: sleeve.h lists the names.
    static Result<Model> try_open_as(const std::string &file, const std::string &front_end) {
        sleeve_model *model = nullptr;
        return made(sleeve_model_open_as(file.c_str(), front_end.c_str(), &model), model);
    }
    static Model open_as(const std::string &file, const std::string &front_end) {
        return try_open_as(file, front_end).value();
    }

    // A bundled model.
    static Result<Model> try_bundled(const std::string &name) {
        sleeve_model *model = nullptr;
        return made(sleeve_model_bundled(name.c_str(), &model), model);
    }
    static Model bundled(const std::string &name) { return try_bundled(name).value(); }

    // The default bundled model.
    static Result<Model> try_bundled() {
        sleeve_model *model = nullptr;
        return made(sleeve_model_bundled(nullptr, &model), model);
    }
    static Model bundled() { return try_bundled().value(); }

    // The bytes of an `.onnx` file and the text of its metadata; both are copied.
    static Result<Model> try_from_memory(Span<const std::uint8_t> onnx, std::string_view json = {}) {
        sleeve_model *model = nullptr;
        return made(
            sleeve_model_from_memory(detail::address(onnx), onnx.size(), json.data(), json.size(), &model), model);
    }
    static Model from_memory(Span<const std::uint8_t> onnx, std::string_view json = {}) {
        return try_from_memory(onnx, json).value();
    }

    std::string_view name() const noexcept { return detail::view(sleeve_model_name(get())); }
    std::string_view sha256() const noexcept { return detail::view(sleeve_model_sha256(get())); }
    std::string_view json() const noexcept { return detail::view(sleeve_model_json(get())); }
    std::uint32_t sample_rate() const noexcept { return sleeve_model_sample_rate(get()); }
    bool is_head() const noexcept { return sleeve_model_is_head(get()); }
    // Empty for a head, and if nothing says what the model takes.
    std::string_view front_end() const noexcept { return detail::view(sleeve_model_front_end(get())); }
    // Frames of the front end from one patch to the next.
    std::size_t patch_hop() const noexcept { return sleeve_model_patch_hop(get()); }

    const sleeve_model *get() const noexcept { return handle_.get(); }

private:
    explicit Model(sleeve_model *model) noexcept : handle_(model) {}
    // By reference: the handle is set by the other argument's call, which may be evaluated later.
    static Result<Model> made(sleeve_status status, sleeve_model *const &model) {
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Model(model);
    }
    detail::Handle<sleeve_model, sleeve_model_free> handle_;
};

// ---- options ----

// Options of an extractor; sleeve.h documents the values. Setters throw, and can be chained.
class Options {
public:
    Options() {
        sleeve_options *options = nullptr;
        detail::check(sleeve_options_new(&options)).value();
        handle_.reset(options);
    }

    Options &engine(const std::string &engine) {
        return set(sleeve_options_set_engine(handle_.get(), engine.c_str()));
    }
    Options &device(const std::string &device) {
        return set(sleeve_options_set_device(handle_.get(), device.c_str()));
    }
    Options &precision(const std::string &precision) {
        return set(sleeve_options_set_precision(handle_.get(), precision.c_str()));
    }
    Options &resampler(const std::string &resampler) {
        return set(sleeve_options_set_resampler(handle_.get(), resampler.c_str()));
    }
    Options &level(const std::string &level) {
        return set(sleeve_options_set_level(handle_.get(), level.c_str()));
    }
    Options &ffmpeg(const std::string &ffmpeg) {
        return set(sleeve_options_set_ffmpeg(handle_.get(), ffmpeg.c_str()));
    }
    Options &last_patch(const std::string &last_patch) {
        return set(sleeve_options_set_last_patch(handle_.get(), last_patch.c_str()));
    }
    Options &threads(std::size_t threads) { return set(sleeve_options_set_threads(handle_.get(), threads)); }
    Options &batch_size(std::size_t patches) {
        return set(sleeve_options_set_batch_size(handle_.get(), patches));
    }
    Options &patch_hop(std::size_t frames) { return set(sleeve_options_set_patch_hop(handle_.get(), frames)); }
    Options &output(const std::string &output) {
        return set(sleeve_options_add_output(handle_.get(), output.c_str()));
    }
    Options &head_input(const std::string &output) {
        return set(sleeve_options_set_head_input(handle_.get(), output.c_str()));
    }
    Options &any_embedding_model(bool allowed) {
        return set(sleeve_options_set_any_embedding_model(handle_.get(), allowed));
    }
    Options &normalise(bool normalise) { return set(sleeve_options_set_normalise(handle_.get(), normalise)); }
    Options &head(const Model &head) { return set(sleeve_options_add_head(handle_.get(), head.get())); }

    const sleeve_options *get() const noexcept { return handle_.get(); }

private:
    Options &set(sleeve_status status) {
        detail::check(status).value();
        return *this;
    }
    detail::Handle<sleeve_options, sleeve_options_free> handle_;
};

// ---- analyses ----

// The integrated loudness of a recording as it was, in LUFS, and the gain in dB that brought it to -14 LUFS.
struct Levelled {
    float lufs;
    float gain_db;
};

// The result of an extractor for one recording. Outputs that do not exist are empty.
class Analysis {
public:
    // Takes ownership of a handle.
    explicit Analysis(sleeve_analysis *analysis) noexcept : handle_(analysis) {}

    std::size_t patch_count() const noexcept { return sleeve_analysis_patch_count(get()); }

    // The start of each patch in seconds.
    Span<const double> times() const noexcept {
        const double *times = sleeve_analysis_times(get());
        return {times, times == nullptr ? 0 : patch_count()};
    }

    // [patches, values]
    Matrix embeddings() const noexcept {
        const float *values = nullptr;
        std::size_t dim = 0;
        if (sleeve_analysis_embeddings(get(), &values, &dim) != SLEEVE_STATUS_OK) return {};
        return {values, patch_count(), dim};
    }

    // [patches, classes]
    Matrix predictions() const noexcept {
        const float *values = nullptr;
        std::size_t dim = 0;
        if (sleeve_analysis_predictions(get(), &values, &dim) != SLEEVE_STATUS_OK) return {};
        return {values, patch_count(), dim};
    }

    // An output by its index in the extractor's order.
    Matrix output(std::size_t index) const noexcept {
        const float *values = nullptr;
        std::size_t dim = 0;
        if (sleeve_analysis_output(get(), index, &values, &dim) != SLEEVE_STATUS_OK) return {};
        return {values, patch_count(), dim};
    }

    // The mean of an output over all patches; empty without patches.
    std::vector<float> mean(std::size_t index) const {
        std::vector<float> mean(output(index).columns());
        if (mean.empty() || sleeve_analysis_mean(get(), index, mean.data(), mean.size()) != SLEEVE_STATUS_OK)
            return {};
        return mean;
    }

    // The name of a column of predictions(); empty if it has none.
    std::string_view class_name(std::size_t index) const noexcept {
        return detail::view(sleeve_analysis_class_name(get(), index));
    }

    // The loudness of the recording and the gain that was applied; empty if it was not levelled.
    std::optional<Levelled> level() const noexcept {
        Levelled level{};
        if (sleeve_analysis_level(get(), &level.lufs, &level.gain_db) != SLEEVE_STATUS_OK) return {};
        return level;
    }

    // Warnings about the recording.
    std::vector<std::string> warnings() const {
        std::vector<std::string> warnings;
        while (const char *warning = sleeve_analysis_warning(get(), warnings.size())) warnings.emplace_back(warning);
        return warnings;
    }

    const sleeve_analysis *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<sleeve_analysis, sleeve_analysis_free> handle_;
};

// ---- extractors ----

// An output of an extractor.
struct Output {
    std::string model;
    std::string tensor;
    sleeve_purpose purpose;
    std::size_t dim;
    std::vector<std::string> classes;
    // What the values are: sleeve.h lists the words.
    std::string meaning;
};

// A loaded model.
class Extractor {
public:
    explicit Extractor(const Model &model) : Extractor(try_new(model).value()) {}
    Extractor(const Model &model, const Options &options) : Extractor(try_new(model, options).value()) {}

    static Result<Extractor> try_new(const Model &model) { return made(model, nullptr); }
    static Result<Extractor> try_new(const Model &model, const Options &options) {
        return made(model, options.get());
    }

    // A description of the engine.
    std::string_view engine() const noexcept { return detail::view(sleeve_extractor_engine(get())); }

    std::vector<std::string> warnings() const {
        std::vector<std::string> warnings;
        while (const char *warning = sleeve_extractor_warning(get(), warnings.size()))
            warnings.emplace_back(warning);
        return warnings;
    }

    // The outputs, in order.
    std::vector<Output> outputs() const {
        std::vector<Output> outputs;
        for (std::size_t index = 0; index < sleeve_extractor_output_count(get()); ++index) {
            Output output{};
            if (sleeve_extractor_output(get(), index, &output.purpose, &output.dim) != SLEEVE_STATUS_OK) break;
            output.model = detail::view(sleeve_extractor_output_model(get(), index));
            output.tensor = detail::view(sleeve_extractor_output_tensor(get(), index));
            output.meaning = detail::view(sleeve_extractor_output_meaning(get(), index));
            while (const char *name = sleeve_extractor_class_name(get(), index, output.classes.size()))
                output.classes.emplace_back(name);
            outputs.push_back(std::move(output));
        }
        return outputs;
    }

    // Analyses an audio file.
    Result<Analysis> try_run_file(const std::string &file) const {
        sleeve_analysis *analysis = nullptr;
        return analysed(sleeve_extractor_run_file(get(), file.c_str(), &analysis), analysis);
    }
    Analysis run_file(const std::string &file) const { return try_run_file(file).value(); }

    // Analyses interleaved samples; an incomplete audio frame at the end is an error.
    Result<Analysis> try_run_samples(Span<const float> samples, std::uint32_t channels,
                                     std::uint32_t sample_rate) const {
        if (channels == 0 || samples.size() % channels != 0)
            return Error(SLEEVE_STATUS_INVALID_ARGUMENT, "the samples are not a whole number of audio frames");
        sleeve_analysis *analysis = nullptr;
        return analysed(sleeve_extractor_run_samples(get(), detail::address(samples), samples.size() / channels,
                                                     channels, sample_rate, &analysis),
                        analysis);
    }
    Analysis run_samples(Span<const float> samples, std::uint32_t channels, std::uint32_t sample_rate) const {
        return try_run_samples(samples, channels, sample_rate).value();
    }

    // Runs the model on mel patches, [patches, frames, bands].
    Result<Analysis> try_run_patches(Span<const float> values, std::size_t patches, std::size_t frames,
                                     std::size_t bands) const {
        sleeve_analysis *analysis = nullptr;
        if (!holds(values.size(), patches, frames, bands))
            return Error(SLEEVE_STATUS_INVALID_ARGUMENT, "the values are not patches * frames * bands");
        return analysed(
            sleeve_extractor_run_patches(get(), detail::address(values), patches, frames, bands, &analysis),
            analysis);
    }
    Analysis run_patches(Span<const float> values, std::size_t patches, std::size_t frames,
                         std::size_t bands) const {
        return try_run_patches(values, patches, frames, bands).value();
    }

    // Runs a head on embeddings, [rows, dim].
    Result<Analysis> try_run_embeddings(Span<const float> values, std::size_t rows, std::size_t dim) const {
        sleeve_analysis *analysis = nullptr;
        if (!holds(values.size(), rows, dim, 1))
            return Error(SLEEVE_STATUS_INVALID_ARGUMENT, "the values are not rows * dim");
        return analysed(sleeve_extractor_run_embeddings(get(), detail::address(values), rows, dim, &analysis),
                        analysis);
    }
    Analysis run_embeddings(Span<const float> values, std::size_t rows, std::size_t dim) const {
        return try_run_embeddings(values, rows, dim).value();
    }

    const sleeve_extractor *get() const noexcept { return handle_.get(); }

private:
    explicit Extractor(sleeve_extractor *extractor) noexcept : handle_(extractor) {}
    static Result<Extractor> made(const Model &model, const sleeve_options *options) {
        sleeve_extractor *extractor = nullptr;
        const sleeve_status status = sleeve_extractor_new(model.get(), options, &extractor);
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Extractor(extractor);
    }
    // By reference: the handle is set by the other argument's call, which may be evaluated later.
    static Result<Analysis> analysed(sleeve_status status, sleeve_analysis *const &analysis) {
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Analysis(analysis);
    }
    // Whether `size` is the product, without overflow.
    static bool holds(std::size_t size, std::size_t a, std::size_t b, std::size_t c) noexcept {
        if (a == 0 || b == 0 || c == 0) return size == 0;
        return size % c == 0 && size / c % b == 0 && size / c / b == a;
    }
    detail::Handle<sleeve_extractor, sleeve_extractor_free> handle_;
};

// ---- streams ----

// The result of a write.
struct [[nodiscard]] WriteResult {
    std::size_t frames;    // audio frames written; fewer than given when the queue is full
    sleeve_status status;  // OK, WOULD_BLOCK, CLOSED, or an error
};

// The input end of a stream: for one thread at a time, which may be a real-time one. No member throws.
class StreamWriter {
public:
    // Takes over a handle of `channels` channels.
    StreamWriter(sleeve_stream_writer *writer, std::uint32_t channels) noexcept
        : handle_(writer), channels_(channels) {}

    // Writes interleaved samples; an incomplete audio frame at the end is not written.
    WriteResult write(Span<const float> samples) noexcept {
        WriteResult result{0, SLEEVE_STATUS_OK};
        result.status = sleeve_stream_writer_write(handle_.get(), detail::address(samples), samples.size() / channels_,
                                           &result.frames);
        return result;
    }
    WriteResult write(Span<const std::int16_t> samples) noexcept {
        WriteResult result{0, SLEEVE_STATUS_OK};
        result.status = sleeve_stream_writer_write_i16(handle_.get(), detail::address(samples),
                                               samples.size() / channels_, &result.frames);
        return result;
    }

    // Audio frames that can be written now.
    std::size_t available() const noexcept { return sleeve_stream_writer_available(handle_.get()); }
    // Marks the end of the recording.
    sleeve_status finish() noexcept { return sleeve_stream_writer_finish(handle_.get()); }
    // Begins the next recording; one that was not finished is abandoned.
    sleeve_status reset() noexcept { return sleeve_stream_writer_reset(handle_.get()); }

private:
    detail::Handle<sleeve_stream_writer, sleeve_stream_writer_free> handle_;
    std::size_t channels_;
};

// The result of StreamReader::next().
enum class ReadState {
    Row,        // the next row
    Waiting,    // everything written so far is processed
    Finished,   // the recording has ended
    Abandoned,  // the writer began another recording
    Closed,     // the writer was destroyed before the end
};

// The output end of a stream: for one thread at a time, which does the work.
class StreamReader {
public:
    // Takes ownership of a handle.
    explicit StreamReader(sleeve_stream_reader *reader) noexcept : handle_(reader) {}

    // Moves to the next row.
    Result<ReadState> try_next() {
        const sleeve_status status = sleeve_stream_reader_next(handle_.get());
        switch (status) {
        case SLEEVE_STATUS_OK: return ReadState::Row;
        case SLEEVE_STATUS_WOULD_BLOCK: return ReadState::Waiting;
        case SLEEVE_STATUS_FINISHED: return ReadState::Finished;
        case SLEEVE_STATUS_CANCELLED: return ReadState::Abandoned;
        case SLEEVE_STATUS_CLOSED: return ReadState::Closed;
        default: return Error::last(status);
        }
    }
    ReadState next() { return try_next().value(); }

    // The current row: the index of its patch, its start in seconds, and its outputs (valid until the next row).
    std::uint64_t index() const noexcept { return sleeve_stream_reader_index(handle_.get()); }
    double time() const noexcept { return sleeve_stream_reader_time(handle_.get()); }
    Span<const float> output(std::size_t index) const noexcept {
        const float *values = nullptr;
        std::size_t dim = 0;
        if (sleeve_stream_reader_output(handle_.get(), index, &values, &dim) != SLEEVE_STATUS_OK) return {};
        return {values, dim};
    }

private:
    detail::Handle<sleeve_stream_reader, sleeve_stream_reader_free> handle_;
};

// Both ends of a stream, to be moved to their threads.
struct Stream {
    StreamWriter writer;
    StreamReader reader;

    // `capacity` is in audio frames; 0 means ten seconds.
    static Result<Stream> try_open(const Extractor &extractor, std::uint32_t sample_rate, std::uint32_t channels,
                                   std::size_t capacity = 0) {
        sleeve_stream_writer *writer = nullptr;
        sleeve_stream_reader *reader = nullptr;
        const sleeve_status status =
            sleeve_stream_new(extractor.get(), sample_rate, channels, capacity, &writer, &reader);
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Stream{StreamWriter(writer, channels), StreamReader(reader)};
    }
    static Stream open(const Extractor &extractor, std::uint32_t sample_rate, std::uint32_t channels,
                       std::size_t capacity = 0) {
        return try_open(extractor, sample_rate, channels, capacity).value();
    }
};

// ---- many recordings at once ----

// The totals of a batch.
struct BatchTotals {
    std::size_t done;  // files analysed
    bool cancelled;    // on_progress returned false
};

// Analyses files in full batches on `workers` threads (0: every core that the process may use).
// `on_result(std::size_t index, Result<Analysis> analysis)` is called once per file, in the order in which files are
// done. `on_progress(std::size_t done, std::size_t failed, double seconds) -> bool` is called about ten times a second;
// return false to cancel. Both are called on the calling thread. An exception from either cancels the run and is
// rethrown here.
template <typename OnResult, typename OnProgress>
BatchTotals run_batch(const Extractor &extractor, Span<const std::string> files, OnResult &&on_result,
                      OnProgress &&on_progress, std::size_t workers = 0) {
    struct Calls {
        std::remove_reference_t<OnResult> &on_result;
        std::remove_reference_t<OnProgress> &on_progress;
        std::exception_ptr thrown;
    } calls{on_result, on_progress, nullptr};
    std::vector<const char *> paths(files.size() + 1);  // never empty, so that data() is not NULL
    for (std::size_t i = 0; i < files.size(); ++i) paths[i] = files[i].c_str();
    // No exception may pass through the library.
    const auto result = [](void *user_data, std::size_t index, sleeve_status status, const char *message,
                           sleeve_analysis *handle) {
        Calls &to = *static_cast<Calls *>(user_data);
        Analysis analysis(handle);
        if (to.thrown) return;
        try {
            if (status == SLEEVE_STATUS_OK) {
                to.on_result(index, Result<Analysis>(std::move(analysis)));
            } else {
                to.on_result(index, Result<Analysis>(Error(status, message)));
            }
        } catch (...) {
            to.thrown = std::current_exception();
        }
    };
    const auto progress = [](void *user_data, std::size_t done, std::size_t failed, double seconds) -> bool {
        Calls &to = *static_cast<Calls *>(user_data);
        if (to.thrown) return false;
        try {
            return to.on_progress(done, failed, seconds);
        } catch (...) {
            to.thrown = std::current_exception();
            return false;
        }
    };
    BatchTotals totals{0, false};
    const sleeve_status status = sleeve_batch_run(extractor.get(), paths.data(), files.size(), workers, result,
                                                  progress, &calls, &totals.done);
    if (calls.thrown) std::rethrow_exception(calls.thrown);
    totals.cancelled = status == SLEEVE_STATUS_CANCELLED;
    if (!totals.cancelled) detail::check(status).value();
    return totals;
}

// ---- the mel-spectrogram alone ----

// The MusiCNN front end: 16 kHz mono in, mel frames out.
class Mel {
public:
    Mel() {
        sleeve_mel *mel = nullptr;
        detail::check(sleeve_mel_new(&mel)).value();
        handle_.reset(mel);
    }

    // SLEEVE_MEL_FRAME_SIZE samples to SLEEVE_MEL_BANDS values.
    void frame(Span<const float> samples, Span<float> bands) {
        if (samples.size() != SLEEVE_MEL_FRAME_SIZE || bands.size() != SLEEVE_MEL_BANDS)
            throw Error(SLEEVE_STATUS_INVALID_ARGUMENT, "a mel frame takes 512 samples and has 96 bands");
        detail::check(sleeve_mel_frame(handle_.get(), samples.data(), bands.data())).value();
    }

    // Every mel frame of a signal, SLEEVE_MEL_BANDS values each.
    std::vector<float> compute(Span<const float> samples) {
        std::size_t frames = static_cast<std::size_t>(sleeve_mel_frame_count(samples.size()));
        std::vector<float> values(frames * SLEEVE_MEL_BANDS + 1);  // never empty, so that data() is not NULL
        detail::check(sleeve_mel_compute(handle_.get(), detail::address(samples), samples.size(), values.data(), frames,
                                         &frames))
            .value();
        values.resize(frames * SLEEVE_MEL_BANDS);
        return values;
    }

private:
    detail::Handle<sleeve_mel, sleeve_mel_free> handle_;
};

}  // namespace sleeve

#endif  // SLEEVE_SLEEVE_HPP
