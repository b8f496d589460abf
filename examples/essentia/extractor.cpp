// SPDX-License-Identifier: AGPL-3.0-or-later
//
// An extractor in Essentia's manner: a streaming network MonoLoader -> SleevePredict -> Pool, and the pool as YAML or
// JSON.
//
//     extractor [--model MODEL] [--head HEAD] AUDIO OUTPUT.yaml|OUTPUT.json|-
//
// With a head: MonoLoader -> SleevePredict (its embeddings) -> SleevePredict2D. An Essentia without MonoLoader reads WAV
// files all the same (wav.h).

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <essentia/algorithmfactory.h>
#include <essentia/pool.h>
#include <essentia/scheduler/network.h>
#include <essentia/streaming/algorithms/poolstorage.h>
#include <essentia/streaming/algorithms/vectorinput.h>
#include <sleeve_essentia.h>

#include "wav.h"

using essentia::Pool;
using essentia::Real;
namespace streaming = essentia::streaming;
namespace standard = essentia::standard;

namespace {

struct Arguments {
    std::string model = "msd-musicnn-1";
    std::string head;
    std::string audio;
    std::string output;
};

bool parse(int argc, char **argv, Arguments &arguments) {
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if ((word == "--model" || word == "--head") && i + 1 < argc) {
            (word == "--model" ? arguments.model : arguments.head) = argv[++i];
        } else if (word.size() > 1 && word[0] == '-') {
            return false;
        } else {
            files.push_back(word);
        }
    }
    if (files.size() != 2) return false;
    arguments.audio = files[0];
    arguments.output = files[1];
    return true;
}

// What the audio comes from: its source, and the sample rate of what that gives.
struct Loader {
    streaming::Algorithm *algorithm;
    streaming::SourceBase *audio;
    Real sampleRate;
};

Loader load(const std::string &file) {
    streaming::AlgorithmFactory &factory = streaming::AlgorithmFactory::instance();
    for (const std::string &name : factory.keys()) {
        if (name != "MonoLoader") continue;
        streaming::Algorithm *loader = factory.create("MonoLoader");
        // Quality 4 is what published models were trained with.
        loader->configure("filename", file, "sampleRate", 16000.0, "resampleQuality", 4);
        return {loader, &loader->output("audio"), Real(16000)};
    }
    Wav wav = readWav(file);
    auto *input = new streaming::VectorInput<Real>(new std::vector<Real>(std::move(wav.samples)), true);
    input->setAcquireSize(4096);
    return {input, &input->output("data"), Real(wav.sampleRate)};
}

Pool extract(const Arguments &arguments) {
    streaming::AlgorithmFactory &factory = streaming::AlgorithmFactory::instance();
    Pool pool;
    const Loader loader = load(arguments.audio);
    streaming::Algorithm *predict = factory.create("SleevePredict");
    predict->configure("model", arguments.model, "inputSampleRate", loader.sampleRate, "lastPatchMode", "repeat",
                       "output", arguments.head.empty() ? "" : "embeddings");
    streaming::connect(*loader.audio, predict->input("signal"));
    if (arguments.head.empty()) {
        streaming::connect(predict->output("predictions"), pool, "sleeve.predictions");
    } else {
        streaming::Algorithm *head = factory.create("SleevePredict2D");
        head->configure("model", arguments.head);
        streaming::connect(predict->output("predictions"), head->input("features"));
        streaming::connect(head->output("predictions"), pool, "sleeve.predictions");
    }
    // Takes over all that is connected.
    essentia::scheduler::Network network(loader.algorithm);
    network.run();
    pool.set("sleeve.model", arguments.model);
    return pool;
}

// The mean of the rows beside the rows themselves.
void summarise(Pool &pool) {
    using Rows = std::vector<std::vector<Real>>;
    if (!pool.contains<Rows>("sleeve.predictions")) return;
    const Rows &rows = pool.value<Rows>("sleeve.predictions");
    std::vector<Real> mean(rows.front().size());
    for (const auto &row : rows)
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += row[i] / static_cast<Real>(rows.size());
    for (const Real value : mean) pool.add("sleeve.mean", value);
}

void write(const Pool &pool, const std::string &file) {
    const bool json = file.size() >= 5 && file.compare(file.size() - 5, 5, ".json") == 0;
    const std::unique_ptr<standard::Algorithm> output(standard::AlgorithmFactory::create("YamlOutput"));
    output->configure("filename", file, "format", json ? "json" : "yaml");
    output->input("pool").set(pool);
    output->compute();
}

}  // namespace

int main(int argc, char **argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        std::fprintf(stderr, "usage: %s [--model MODEL] [--head HEAD] AUDIO OUTPUT.yaml|OUTPUT.json|-\n", argv[0]);
        return 2;
    }
    try {
        essentia::init();
        sleeve_essentia::registerAlgorithms();
        Pool pool = extract(arguments);
        summarise(pool);
        write(pool, arguments.output);
        essentia::shutdown();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
