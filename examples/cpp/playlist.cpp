// A playlist that goes on from a track without jumps, as M3U, in C++17.
//
//     playlist LIBRARY FILE [COUNT]
//
// LIBRARY is a file that `sleeve similar index` wrote, and FILE one of its tracks.
//
//     g++ -std=c++17 -O2 playlist.cpp $(pkg-config --cflags --libs sleeve) -o playlist
#include <sleeve/similarity.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

int print(const std::string &path, const std::string &file, std::size_t count) {
    const sleeve::Library library(path);
    const auto seed = library.find_path(file);
    if (!seed) {
        std::fprintf(stderr, "%s: not a track of %s\n", file.c_str(), path.c_str());
        return 1;
    }
    sleeve::Query query;
    query.track(*seed).count(count).max_per_artist(count / 5 + 1).duplicates("skip").playlist(0.4F);
    std::printf("#EXTM3U\n");
    for (const sleeve::Match &match : library.playlist(query)) {
        const std::string artist = library.text(match.track, "artist");
        const std::string title = library.text(match.track, "title");
        const std::string name = title.empty() ? "untitled" : artist.empty() ? title : artist + " - " + title;
        std::printf("#EXTINF:%.0f,%s\n%s\n", library.seconds(match.track), name.c_str(),
                    library.file(match.track).c_str());
    }
    return 0;
}

}  // namespace

int main(int argc, char **argv) {
    const long count = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 25;
    if (argc < 3 || argc > 4 || count < 1) {
        std::fprintf(stderr, "usage: playlist LIBRARY FILE [COUNT]\n");
        return 2;
    }
    try {
        return print(argv[1], argv[2], static_cast<std::size_t>(count));
    } catch (const sleeve::Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
