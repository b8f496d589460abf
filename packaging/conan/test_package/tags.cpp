// The tags of ten seconds of a tone: the bundled model is inside the library.
#include <sleeve/sleeve.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

int main() try {
    std::vector<float> tone(10 * 16000);
    for (std::size_t i = 0; i < tone.size(); ++i) tone[i] = 0.5F * std::sin(static_cast<float>(i) * 0.17F);
    const sleeve::Extractor extractor(sleeve::Model::bundled());
    const sleeve::Analysis analysis = extractor.run_samples(tone, 1, 16000);
    const sleeve::Matrix tags = analysis.predictions();
    const std::string first(analysis.class_name(0));
    std::printf("sleeve %s: %zu patches of %zu tags, of which the first is %s\n", sleeve_version(), tags.rows(),
                tags.columns(), first.c_str());
    return tags.rows() > 0 && tags.columns() == 50 ? 0 : 1;
} catch (const sleeve::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
