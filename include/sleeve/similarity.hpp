// similarity.hpp: libraries of tracks in C++17, over the C ABI, beside sleeve.hpp.
//
//     const sleeve::Library library("music.library");
//     const auto seed = library.find_path("/music/song.flac");
//     for (const sleeve::Match &match : library.find(sleeve::Query().track(*seed).count(20)))
//         std::cout << match.cosine << "  " << library.text(match.track, "title") << "\n";
//
// The rules of sleeve.hpp hold. sleeve.h documents the values.

#ifndef SLEEVE_SIMILARITY_HPP
#define SLEEVE_SIMILARITY_HPP

#include <sleeve/sleeve.hpp>

namespace sleeve {

// A track that was found.
struct Match {
    std::size_t track;
    float cosine;
    // The track that it is a near-duplicate of, with duplicates("list").
    std::optional<std::size_t> duplicate_of;
    // For Library::duplicates: the number of its group.
    std::size_t group;
};

// What is asked of a library. Setters throw, and can be chained.
class Query {
public:
    Query() {
        sleeve_query *query = nullptr;
        detail::check(sleeve_query_new(&query)).value();
        handle_.reset(query);
    }

    // A track of the library as a seed; with a negative weight, results are not to be like it.
    Query &track(std::size_t track, float weight = 1) { return set(sleeve_query_add_track(handle_.get(), track, weight)); }
    // A vector as a seed: the mean embedding of a recording that is not of the library, or any other.
    Query &vector(Span<const float> values, float weight = 1) {
        return set(sleeve_query_add_vector(handle_.get(), detail::address(values), values.size(), weight));
    }
    Query &count(std::size_t count) { return set(sleeve_query_set_count(handle_.get(), count)); }
    Query &max_per_artist(std::size_t count) { return set(sleeve_query_set_max_per_artist(handle_.get(), count)); }
    Query &max_per_album(std::size_t count) { return set(sleeve_query_set_max_per_album(handle_.get(), count)); }
    // "keep", "skip" or "list".
    Query &duplicates(const std::string &policy) {
        return set(sleeve_query_set_duplicates(handle_.get(), policy.c_str()));
    }
    Query &duplicate_rule(float cosine, double seconds) {
        return set(sleeve_query_set_duplicate_rule(handle_.get(), cosine, seconds));
    }
    // "f32" or "int8".
    Query &precision(const std::string &precision) {
        return set(sleeve_query_set_precision(handle_.get(), precision.c_str()));
    }
    Query &threads(std::size_t threads) { return set(sleeve_query_set_threads(handle_.get(), threads)); }
    // "folder", "artist", "album", "label" or "genre".
    Query &filter(const std::string &name, const std::string &value) {
        return set(sleeve_query_add_filter(handle_.get(), name.c_str(), value.c_str()));
    }
    Query &years(std::int32_t first, std::int32_t last) { return set(sleeve_query_set_years(handle_.get(), first, last)); }
    Query &above(const std::string &class_name, float value) {
        return set(sleeve_query_add_bound(handle_.get(), class_name.c_str(), true, value));
    }
    Query &below(const std::string &class_name, float value) {
        return set(sleeve_query_add_bound(handle_.get(), class_name.c_str(), false, value));
    }
    Query &exclude(std::size_t track) { return set(sleeve_query_exclude(handle_.get(), track)); }
    Query &playlist(float drift, float variety = 0, std::size_t artist_gap = 2) {
        return set(sleeve_query_set_playlist(handle_.get(), drift, variety, artist_gap));
    }
    // The seed of random numbers for playlists and samples.
    Query &seed(std::uint64_t seed) { return set(sleeve_query_set_seed(handle_.get(), seed)); }

    const sleeve_query *get() const noexcept { return handle_.get(); }

private:
    Query &set(sleeve_status status) {
        detail::check(status).value();
        return *this;
    }
    detail::Handle<sleeve_query, sleeve_query_free> handle_;
};

// A library file, open for reading. Threads may share it.
class Library {
public:
    explicit Library(const std::string &file) : Library(try_open(file).value()) {}
    static Result<Library> try_open(const std::string &file) {
        sleeve_library *library = nullptr;
        const sleeve_status status = sleeve_library_open(file.c_str(), &library);
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Library(library);
    }
    static Library open(const std::string &file) { return try_open(file).value(); }

    std::size_t track_count() const noexcept { return sleeve_library_track_count(get()); }
    std::size_t dim() const noexcept { return sleeve_library_dim(get()); }
    std::string_view model() const noexcept { return detail::view(sleeve_library_model(get())); }
    std::string_view model_sha256() const noexcept { return detail::view(sleeve_library_model_sha256(get())); }
    std::vector<std::string_view> classes() const {
        std::vector<std::string_view> names;
        while (const char *name = sleeve_library_class_name(get(), names.size())) names.emplace_back(name);
        return names;
    }
    bool has_changed() const noexcept { return sleeve_library_has_changed(get()); }
    // Refuses the extractor of another model.
    Result<void> try_check(const Extractor &extractor) const {
        return detail::check(sleeve_library_check_extractor(get(), extractor.get()));
    }
    void check(const Extractor &extractor) const { try_check(extractor).value(); }

    // "path", "artist", "album_artist", "album", "title", "label" or "genre".
    std::string text(std::size_t track, const std::string &name) const {
        std::string text(sleeve_library_text(get(), track, name.c_str(), nullptr, 0) + 1, '\0');
        text.resize(sleeve_library_text(get(), track, name.c_str(), text.data(), text.size()));
        return text;
    }
    // The path of a track's file in the system's encoding.
    std::string file(std::size_t track) const {
        std::string file(sleeve_library_file(get(), track, nullptr, 0) + 1, '\0');
        file.resize(sleeve_library_file(get(), track, file.data(), file.size()));
        return file;
    }
    double seconds(std::size_t track) const noexcept { return sleeve_library_seconds(get(), track); }
    // 0 if it is not known.
    std::int32_t year(std::size_t track) const noexcept { return sleeve_library_year(get(), track); }
    // Empty beyond the last track.
    Span<const float> vector(std::size_t track) const noexcept {
        return values(sleeve_library_vector, track);
    }
    Span<const float> activations(std::size_t track) const noexcept {
        return values(sleeve_library_activations, track);
    }
    // The vectors of the patches, row by row; empty if they were not kept.
    Result<Matrix> try_patches(std::size_t track) const {
        const float *values = nullptr;
        std::size_t count = 0;
        const sleeve_status status = sleeve_library_patches(get(), track, &values, &count);
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return Matrix(values, dim() == 0 ? 0 : count / dim(), dim());
    }
    Matrix patches(std::size_t track) const { return try_patches(track).value(); }

    std::optional<std::size_t> find_path(const std::string &file) const noexcept {
        std::size_t track = 0;
        if (sleeve_library_find_path(get(), file.c_str(), &track) != SLEEVE_STATUS_OK) return std::nullopt;
        return track;
    }
    Result<float> try_cosine(std::size_t one, std::size_t other) const {
        float cosine = 0;
        const sleeve_status status = sleeve_library_cosine(get(), one, other, &cosine);
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        return cosine;
    }
    float cosine(std::size_t one, std::size_t other) const { return try_cosine(one, other).value(); }

    Result<std::vector<Match>> try_find(const Query &query) const { return ask(sleeve_library_find, query); }
    std::vector<Match> find(const Query &query) const { return try_find(query).value(); }
    Result<std::vector<Match>> try_playlist(const Query &query) const {
        return ask(sleeve_library_playlist, query);
    }
    std::vector<Match> playlist(const Query &query) const { return try_playlist(query).value(); }
    Result<std::vector<Match>> try_sample(const Query &query) const { return ask(sleeve_library_sample, query); }
    std::vector<Match> sample(const Query &query) const { return try_sample(query).value(); }
    Result<std::vector<Match>> try_duplicates(const Query &query) const {
        return ask(sleeve_library_duplicates, query);
    }
    std::vector<Match> duplicates(const Query &query) const { return try_duplicates(query).value(); }
    Result<std::vector<Match>> try_path(std::size_t from, std::size_t to, const Query &query) const {
        sleeve_tracks *tracks = nullptr;
        return matches(sleeve_library_path(get(), query.get(), from, to, &tracks), tracks);
    }
    std::vector<Match> path(std::size_t from, std::size_t to, const Query &query) const {
        return try_path(from, to, query).value();
    }

    const sleeve_library *get() const noexcept { return handle_.get(); }

private:
    explicit Library(sleeve_library *library) noexcept : handle_(library) {}

    template <typename Read>
    Span<const float> values(Read read, std::size_t track) const noexcept {
        const float *values = nullptr;
        std::size_t count = 0;
        if (read(get(), track, &values, &count) != SLEEVE_STATUS_OK) return {};
        return {values, count};
    }
    template <typename Call>
    Result<std::vector<Match>> ask(Call call, const Query &query) const {
        sleeve_tracks *tracks = nullptr;
        return matches(call(get(), query.get(), &tracks), tracks);
    }
    // By reference: the handle is set by the other argument's call, which may be evaluated later.
    static Result<std::vector<Match>> matches(sleeve_status status, sleeve_tracks *const &tracks) {
        if (status != SLEEVE_STATUS_OK) return Error::last(status);
        const detail::Handle<sleeve_tracks, sleeve_tracks_free> owner(tracks);
        std::vector<Match> found(sleeve_tracks_count(tracks));
        for (std::size_t index = 0; index < found.size(); ++index) {
            Match &match = found[index];
            std::size_t duplicate_of = SIZE_MAX;
            detail::check(sleeve_tracks_get(tracks, index, &match.track, &match.cosine, &duplicate_of)).value();
            if (duplicate_of != SIZE_MAX) match.duplicate_of = duplicate_of;
            match.group = sleeve_tracks_group(tracks, index);
        }
        return found;
    }
    detail::Handle<sleeve_library, sleeve_library_free> handle_;
};

// What a library is told of a track. Setters throw, and can be chained.
class Track {
public:
    // The path of its file: relative to the library's folder, or absolute in a library that is not one folder.
    explicit Track(const std::string &file) {
        sleeve_track *track = nullptr;
        detail::check(sleeve_track_new(file.c_str(), &track)).value();
        handle_.reset(track);
    }

    Track &seconds(double seconds) { return set(sleeve_track_set_seconds(handle_.get(), seconds)); }
    // "artist", "album_artist", "album", "title", "label" or "genre".
    Track &tag(const std::string &name, const std::string &value) {
        return set(sleeve_track_set_tag(handle_.get(), name.c_str(), value.c_str()));
    }
    Track &year(std::int32_t year) { return set(sleeve_track_set_year(handle_.get(), year)); }
    // Reads size, time and the SHA-256 of the audio.
    Track &read_file(const std::string &file) {
        return set(sleeve_track_read_file(handle_.get(), file.c_str()));
    }

    const sleeve_track *get() const noexcept { return handle_.get(); }

private:
    Track &set(sleeve_status status) {
        detail::check(status).value();
        return *this;
    }
    detail::Handle<sleeve_track, sleeve_track_free> handle_;
};

// Writes a library file. What was added is in it after flush() or finish(); a writer that is destroyed before loses it.
class LibraryWriter {
public:
    // For what an extractor gives. `root` is the library's folder, absolute, or empty.
    static LibraryWriter create(const std::string &file, const std::string &root, const Extractor &extractor) {
        sleeve_library_writer *writer = nullptr;
        detail::check(sleeve_library_writer_create(file.c_str(), root.c_str(), extractor.get(), &writer)).value();
        return LibraryWriter(writer);
    }
    // For vectors that came from elsewhere.
    static LibraryWriter create(const std::string &file, const std::string &root, const std::string &model,
                                const std::string &sha256, std::size_t dim) {
        sleeve_library_writer *writer = nullptr;
        detail::check(sleeve_library_writer_create_other(file.c_str(), root.c_str(), model.c_str(), sha256.c_str(),
                                                         dim, &writer))
            .value();
        return LibraryWriter(writer);
    }
    static LibraryWriter open(const std::string &file) {
        sleeve_library_writer *writer = nullptr;
        detail::check(sleeve_library_writer_open(file.c_str(), &writer)).value();
        return LibraryWriter(writer);
    }

    void add(const Track &track, const Analysis &analysis, bool keep_patches = false) {
        check(sleeve_library_writer_add(handle_.get(), track.get(), analysis.get(), keep_patches));
    }
    void add(const Track &track, Span<const float> vector) {
        check(sleeve_library_writer_add_vector(handle_.get(), track.get(), detail::address(vector), vector.size()));
    }
    // Indices are those of the library as it was when the writer was made.
    void replace(std::size_t index, const Track &track) {
        check(sleeve_library_writer_replace(handle_.get(), index, track.get()));
    }
    void remove(std::size_t index) { check(sleeve_library_writer_remove(handle_.get(), index)); }
    void flush() { check(sleeve_library_writer_flush(handle_.get())); }
    // Flushes and ends the writer.
    void finish() { check(sleeve_library_writer_finish(handle_.get())); }

private:
    explicit LibraryWriter(sleeve_library_writer *writer) noexcept : handle_(writer) {}
    static void check(sleeve_status status) { detail::check(status).value(); }
    detail::Handle<sleeve_library_writer, sleeve_library_writer_free> handle_;
};

}  // namespace sleeve

#endif
