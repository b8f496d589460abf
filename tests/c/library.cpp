// Libraries as a C++ host uses them: library FOLDER RECORDING OTHER.
#include <sleeve/similarity.hpp>

#include "check.h"

#include <cmath>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

static_assert(!std::is_copy_constructible_v<sleeve::Library> && std::is_move_assignable_v<sleeve::Library>);
static_assert(!std::is_copy_constructible_v<sleeve::Query> && std::is_move_constructible_v<sleeve::Query>);
static_assert(!std::is_copy_constructible_v<sleeve::LibraryWriter>);

namespace {

template <typename Function>
sleeve_status thrown(Function function) {
    try {
        function();
    } catch (const sleeve::Error &error) {
        CHECK(!std::string(error.what()).empty());
        return error.status();
    }
    return SLEEVE_STATUS_OK;
}

// Six artists with ten tracks each, on circles of their own.
void make(const std::string &file) {
    auto writer = sleeve::LibraryWriter::create(file, "/music", "mine", "0123", 6);
    for (int artist = 0; artist < 6; ++artist) {
        for (int number = 0; number < 10; ++number) {
            std::vector<float> vector(6, 0.1F * static_cast<float>(number));
            vector[static_cast<std::size_t>(artist)] = 2;
            sleeve::Track track(std::to_string(artist) + "/" + std::to_string(number) + ".ogg");
            track.seconds(100 + 10 * artist + number * 3).tag("artist", "Artist " + std::to_string(artist));
            track.tag("title", "Title " + std::to_string(number)).tag("genre", "Folk; Rock").year(1970 + number);
            writer.add(track, vector);
        }
        writer.flush();
    }
    // The same recording twice.
    const std::vector<float> vector{2, 0, 0, 0, 0, 0};
    writer.add(sleeve::Track("copy.mp3").seconds(100.4), vector);
    writer.finish();
    CHECK(thrown([&] { writer.flush(); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
}

void ask(const std::string &file) {
    const sleeve::Library library(file);
    CHECK(library.track_count() == 61 && library.dim() == 6 && library.model() == "mine");
    CHECK(library.model_sha256() == "0123" && library.classes().empty() && !library.has_changed());
    const std::size_t seed = library.find_path("/music/0/0.ogg").value();
    CHECK(library.find_path("0/0.ogg") == seed && !library.find_path("0/99.ogg"));
    // As the system writes it.
#ifdef _WIN32
    CHECK(library.file(seed) == "\\music\\0\\0.ogg" && library.find_path("\\music\\0\\0.ogg").value() == seed);
#else
    CHECK(library.file(seed) == "/music/0/0.ogg");
#endif
    CHECK(library.text(seed, "path") == library.file(seed));
    CHECK(library.text(seed, "artist") == "Artist 0" && library.text(seed, "label").empty());
    CHECK(library.year(seed) == 1970 && std::fabs(library.seconds(seed) - 100) < 1e-9);
    CHECK(library.vector(seed).size() == 6 && library.vector(99).empty());
    CHECK(library.activations(seed).empty() && library.patches(seed).empty());
    CHECK(std::fabs(library.cosine(seed, seed) - 1) < 1e-6F);
    CHECK(thrown([&] { (void)library.cosine(0, 99); }) == SLEEVE_STATUS_NOT_FOUND);

    const auto copy = library.find_path("copy.mp3").value();
    auto found = library.find(sleeve::Query().track(seed));
    CHECK(found.size() == 10 && found[0].track == copy && !found[0].duplicate_of);
    CHECK(std::fabs(found[0].cosine - 1) < 1e-6F && found[1].cosine <= found[0].cosine);
    found = library.find(sleeve::Query().track(seed).duplicates("list").count(3));
    CHECK(found[0].duplicate_of == seed && found.size() == 4);
    found = library.find(sleeve::Query().track(seed).duplicates("skip").precision("int8").threads(1));
    CHECK(found.size() == 10 && found[0].track != copy);
    found = library.find(sleeve::Query().track(seed).filter("artist", "artist 3").years(1972, 1974));
    CHECK(found.size() == 3);
    for (const auto &match : found) CHECK(library.text(match.track, "artist") == "Artist 3");
    found = library.find(sleeve::Query().track(seed).max_per_artist(2).max_per_album(0).count(50));
    CHECK(found.size() == 6 * 2 + 1);
    found = library.find(sleeve::Query().track(seed).track(20, -1).exclude(copy));
    CHECK(!found.empty() && found[0].track != copy);
    const auto unit = library.vector(seed);
    CHECK(library.find(sleeve::Query().vector(unit)).front().cosine > 0.9999F);
    CHECK(thrown([&] { (void)library.find(sleeve::Query()); }) == SLEEVE_STATUS_INVALID_ARGUMENT);
    CHECK(thrown([&] { (void)library.find(sleeve::Query().track(seed).above("rock", 0)); }) ==
          SLEEVE_STATUS_INVALID_ARGUMENT);

    const auto made = [&](std::uint64_t number) {
        sleeve::Query query;
        query.track(seed).count(12).playlist(0.5F, 0.5F, 1).seed(number);
        std::vector<std::size_t> tracks;
        for (const auto &match : library.playlist(query)) tracks.push_back(match.track);
        return tracks;
    };
    CHECK(made(1) == made(1) && made(1) != made(2) && made(1).size() == 12 && made(1)[0] == seed);
    const auto path = library.path(seed, 45, sleeve::Query().count(7));
    CHECK(path.size() == 7 && path.front().track == seed && path.back().track == 45);
    std::set<std::string> artists;
    for (const auto &match : library.sample(sleeve::Query().count(6).filter("folder", "/music")))
        artists.insert(library.text(match.track, "artist"));
    CHECK(artists.size() >= 5);
    const auto groups = library.duplicates(sleeve::Query().duplicate_rule(0.9999F, 1));
    CHECK(groups.size() == 2 && groups[0].track == seed && groups[1].track == copy && groups[1].group == 0);
}

void change(const std::string &file) {
    const sleeve::Library before(file);
    auto writer = sleeve::LibraryWriter::open(file);
    CHECK(thrown([&] { (void)sleeve::LibraryWriter::open(file); }) == SLEEVE_STATUS_LIBRARY);
    writer.replace(0, sleeve::Track("moved.ogg").seconds(7));
    writer.remove(1);
    writer.finish();
    CHECK(before.has_changed() && before.find_path("0/0.ogg"));
    const sleeve::Library after(file);
    CHECK(after.track_count() == 60 && !after.find_path("0/0.ogg"));
    const auto moved = after.find_path("moved.ogg").value();
    CHECK(std::fabs(after.vector(moved)[0] - 2) < 1e-6F);
}

void analyses(const std::string &file, const std::string &recording, const std::string &other) {
    const sleeve::Extractor extractor(sleeve::Model::bundled());
    auto writer = sleeve::LibraryWriter::create(file, "", extractor);
    const auto analysis = extractor.run_file(recording);
    writer.add(sleeve::Track(recording).seconds(30).read_file(recording), analysis, true);
    writer.add(sleeve::Track(other).seconds(26).read_file(other), extractor.run_file(other), true);
    writer.finish();
    const sleeve::Library library(file);
    library.check(extractor);
    CHECK(library.classes().size() == 50 && library.activations(0).size() == 50 && library.dim() == 200);
    const auto track = library.find_path(recording).value();
    CHECK(library.patches(track).rows() == analysis.patch_count());
    CHECK(library.find(sleeve::Query().track(track).above(std::string(library.classes()[0]), -1)).size() == 1);
    CHECK(library.find(sleeve::Query().track(track).below(std::string(library.classes()[0]), -1)).empty());
    const auto other_model = sleeve::Extractor(sleeve::Model::bundled("mtt-musicnn-1"));
    const auto refused = library.try_check(other_model);
    CHECK(!refused && refused.error().status() == SLEEVE_STATUS_LIBRARY);
    CHECK(std::string(refused.error().what()).find("mtt-musicnn-1") != std::string::npos);
}

}  // namespace

int main(int argc, char **argv) {
    CHECK(argc == 4);
    const std::string file = std::string(argv[1]) + "/cpp.library";
    make(file);
    ask(file);
    change(file);
    analyses(file, argv[2], argv[3]);
    CHECK(thrown([] { (void)sleeve::Library("/nowhere"); }) == SLEEVE_STATUS_IO);
    std::printf("library: ok\n");
    return 0;
}
