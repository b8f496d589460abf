// Tags and embeddings of audio files, in C++.
//
//     extract [-m MODEL] FILE...
//
//     c++ -std=c++17 -O2 extract.cpp $(pkg-config --cflags --libs sleeve) -o extract
#include <sleeve/sleeve.hpp>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

namespace {

constexpr std::size_t TAGS = 5;

// The mean of each column.
std::vector<double> mean(sleeve::Matrix matrix) {
    std::vector<double> sums(matrix.columns());
    for (std::size_t row = 0; row < matrix.rows(); ++row)
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(matrix.row(row)[i]);
    for (double &sum : sums) sum /= static_cast<double>(matrix.rows());
    return sums;
}

void print(const std::string &file, const sleeve::Analysis &analysis) {
    std::printf("%s: %zu patches, embeddings of %zu values\n", file.c_str(), analysis.patch_count(),
                analysis.embeddings().columns());
    for (const std::string &warning : analysis.warnings())
        std::fprintf(stderr, "%s: warning: %s\n", file.c_str(), warning.c_str());
    if (analysis.predictions().empty()) return;
    const std::vector<double> activations = mean(analysis.predictions());
    std::vector<std::size_t> order(activations.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto shown = order.begin() + static_cast<std::ptrdiff_t>(std::min(TAGS, order.size()));
    std::partial_sort(order.begin(), shown, order.end(),
                      [&](std::size_t a, std::size_t b) { return activations[a] > activations[b]; });
    for (auto index = order.begin(); index != shown; ++index)
        std::printf("  %5.3f  %s\n", activations[*index], std::string(analysis.class_name(*index)).c_str());
}

}  // namespace

int main(int argc, char **argv) try {
    std::vector<std::string> files(argv + 1, argv + argc);
    std::string name;
    if (files.size() > 1 && files[0] == "-m") {
        name = files[1];
        files.erase(files.begin(), files.begin() + 2);
    }
    if (files.empty() || files[0][0] == '-') {
        std::fprintf(stderr, "usage: %s [-m MODEL] FILE...\n", argv[0]);
        return 2;
    }
    const sleeve::Extractor extractor(name.empty() ? sleeve::Model::bundled() : sleeve::Model::open(name));
    std::fprintf(stderr, "%s\n", std::string(extractor.engine()).c_str());
    int failed = 0;
    for (const std::string &file : files) {
        // One bad file should not stop the others, so its error is returned, not thrown.
        if (auto analysis = extractor.try_run_file(file)) {
            print(file, *analysis);
        } else {
            std::fprintf(stderr, "%s: %s\n", file.c_str(), analysis.error().what());
            failed = 1;
        }
    }
    return failed;
} catch (const sleeve::Error &error) {
    std::fprintf(stderr, "%s (%s)\n", error.what(), sleeve_status_name(error.status()));
    return 1;
}
