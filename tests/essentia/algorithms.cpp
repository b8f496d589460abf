// SPDX-License-Identifier: AGPL-3.0-or-later
//
// Every algorithm of the plugin in Essentia, standard and streaming: algorithms SMALL.onnx HEAD.onnx, with the models
// of tests/peers/make_small_model.py and make_head.py.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <essentia/algorithmfactory.h>
#include <essentia/pool.h>
#include <essentia/scheduler/network.h>
#include <essentia/streaming/algorithms/poolstorage.h>
#include <essentia/streaming/algorithms/vectorinput.h>
#include <sleeve_essentia.h>

using essentia::EssentiaException;
using essentia::Pool;
using essentia::Real;
using essentia::scheduler::Network;
namespace standard = essentia::standard;
namespace streaming = essentia::streaming;

namespace {

using Signal = std::vector<Real>;
using Rows = std::vector<std::vector<Real>>;
using Standard = std::unique_ptr<standard::Algorithm>;

#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) throw std::runtime_error("line " + std::to_string(__LINE__) + ": " #condition); \
    } while (false)

// Checks that `action` throws an EssentiaException whose message contains all of `parts`.
void throws(const std::function<void()> &action, const std::vector<std::string> &parts) {
    try {
        action();
    } catch (const EssentiaException &error) {
        for (const std::string &part : parts) {
            if (std::string(error.what()).find(part) == std::string::npos)
                throw std::runtime_error("`" + part + "` is not in: " + error.what());
        }
        return;
    }
    throw std::runtime_error("no exception that contains " + parts.front());
}

Signal noise(std::size_t samples) {
    unsigned state = 1;
    Signal signal(samples);
    for (std::size_t i = 0; i < samples; ++i) {
        state = state * 1664525U + 1013904223U;
        signal[i] = static_cast<Real>(state >> 8) / Real(1 << 24) - Real(0.5);
        signal[i] *= std::sin(Real(i) * Real(1e-4));
    }
    return signal;
}

Standard make(const std::string &name) { return Standard(standard::AlgorithmFactory::create(name)); }

Rows predict(standard::Algorithm &algorithm, const Signal &signal) {
    Rows rows;
    algorithm.input("signal").set(signal);
    algorithm.output("predictions").set(rows);
    algorithm.compute();
    return rows;
}

Rows predict2D(standard::Algorithm &algorithm, const Rows &features) {
    const int columns = features.empty() ? 0 : static_cast<int>(features.front().size());
    TNT::Array2D<Real> matrix(static_cast<int>(features.size()), columns);
    for (int i = 0; i < matrix.dim1(); ++i)
        for (int j = 0; j < columns; ++j) matrix[i][j] = features[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    Rows rows;
    algorithm.input("signal").set(matrix);
    algorithm.output("predictions").set(rows);
    algorithm.compute();
    return rows;
}

// The rows that a streaming network wrote to a pool.
Rows rowsOf(const Pool &pool, const std::string &name) {
    return pool.contains<Rows>(name) ? pool.value<Rows>(name) : Rows();
}

// ---- registration ----

bool registered() {
    const std::vector<std::string> all[] = {standard::AlgorithmFactory::keys(), streaming::AlgorithmFactory::keys()};
    for (const auto &keys : all)
        for (const char *name : {"SleeveInputMusiCNN", "SleevePredict", "SleevePredict2D"})
            if (std::count(keys.begin(), keys.end(), name) != 1) return false;
    return true;
}

void registration() {
    throws([] { sleeve_essentia::registerAlgorithms(); }, {"essentia::init()"});
    for (int round = 0; round < 2; ++round) {
        essentia::init();
        sleeve_essentia::registerAlgorithms();
        CHECK(registered());
        sleeve_essentia::registerAlgorithms();
        CHECK(registered());
        make("SleevePredict");
        essentia::shutdown();
    }
    throws([] { sleeve_essentia::registerAlgorithms(); }, {"essentia::init()"});
    essentia::init();
    sleeve_essentia::registerAlgorithms();
    const auto &info = standard::AlgorithmFactory::getInfo("SleevePredict");
    CHECK(info.category == "Machine Learning");
    CHECK(info.description.find("16 kHz") != std::string::npos);
    const Standard algorithm = make("SleevePredict");
    for (const auto &parameter : algorithm->defaultParameters())
        CHECK(!algorithm->parameterDescription[parameter.first].empty());
}

// ---- mel bands ----

void bands() {
    const Standard ours = make("SleeveInputMusiCNN"), theirs = make("TensorflowInputMusiCNN");
    const Signal signal = noise(512 * 40);
    Real worst = 0;
    for (std::size_t first = 0; first + 512 <= signal.size(); first += 512) {
        Signal frame(signal.begin() + static_cast<long>(first), signal.begin() + static_cast<long>(first + 512));
        Signal found, expected;
        for (const auto &[algorithm, out] : {std::make_pair(ours.get(), &found), std::make_pair(theirs.get(), &expected)}) {
            algorithm->input("frame").set(frame);
            algorithm->output("bands").set(*out);
            algorithm->compute();
        }
        CHECK(found.size() == 96 && expected.size() == 96);
        for (std::size_t i = 0; i < 96; ++i) {
            CHECK(std::isfinite(found[i]));
            worst = std::max(worst, std::abs(found[i] - expected[i]));
        }
    }
    std::printf("bands: %.2g from TensorflowInputMusiCNN\n", static_cast<double>(worst));
    CHECK(worst <= Real(5e-5));
    Signal frame(511), out;
    ours->input("frame").set(frame);
    ours->output("bands").set(out);
    throws([&] { ours->compute(); }, {"SleeveInputMusiCNN", "512", "511"});
    const Signal silence(512);
    ours->input("frame").set(silence);
    ours->compute();
    CHECK(out == Signal(96));
}

// ---- signals to patches ----

void counts(const std::string &model) {
    const Standard discard = make("SleevePredict"), repeat = make("SleevePredict");
    discard->configure("model", model);
    repeat->configure("model", model, "lastPatchMode", "repeat");
    // The table of the description.
    const std::pair<std::size_t, std::size_t> table[] = {{1, 0},     {256, 0},   {32256, 0},  {32257, 1},
                                                         {32513, 1}, {48384, 2}, {48385, 2},  {160000, 9}};
    for (const auto &[samples, patches] : table) {
        CHECK(predict(*discard, noise(samples)).size() == patches);
        // Patches overlap, so there is always a frame for one more.
        CHECK(predict(*repeat, noise(samples)).size() == patches + 1);
    }
}

void parameters(const std::string &model, const std::string &pb) {
    const Standard algorithm = make("SleevePredict");
    const Signal signal = noise(160000);
    throws([&] { predict(*algorithm, signal); }, {"SleevePredict", "no model"});
    throws([&] { algorithm->configure("model", "/nowhere/model.onnx"); }, {"SleevePredict", "/nowhere/model.onnx", "No such file"});
    throws([&] { predict(*algorithm, signal); }, {"SleevePredict", "no model"});
    algorithm->configure("model", model);
    const Rows expected = predict(*algorithm, signal);
    CHECK(expected.size() == 9 && expected.front().size() == 4);
    CHECK(expected[0] != expected[1]);
    throws([&] { predict(*algorithm, Signal()); }, {"SleevePredict", "empty"});
    Signal broken = signal;
    broken[5] = std::numeric_limits<Real>::quiet_NaN();
    throws([&] { predict(*algorithm, broken); }, {"SleevePredict", "5"});
    for (const int batch : {-1, 0, 1, 4, 64, 1000000}) {
        algorithm->configure("batchSize", batch);
        CHECK(predict(*algorithm, signal) == expected);
    }
    algorithm->configure("accumulate", true, "threads", 1, "device", "cpu", "precision", "f32");
    CHECK(predict(*algorithm, signal) == expected);
    for (const char *name : {"predictions", "PartitionedCall", "PartitionedCall:0"}) {
        algorithm->configure("output", name);
        CHECK(predict(*algorithm, signal) == expected);
    }
    for (const char *name : {"embeddings", "PartitionedCall:1"}) {
        algorithm->configure("output", name);
        CHECK(predict(*algorithm, signal).front().size() == 6);
    }
    throws([&] { algorithm->configure("output", "PartitionedCall:7"); }, {"SleevePredict", "PartitionedCall:7"});
    algorithm->configure("output", "", "patchHopSize", 0);
    CHECK(predict(*algorithm, signal).size() == 4);
    algorithm->configure("patchHopSize", 31);
    CHECK(predict(*algorithm, signal).size() == 17);
    throws([&] { algorithm->configure("patchHopSize", -2); }, {"patchHopSize"});
    algorithm->configure("patchHopSize", -1, "inputSampleRate", 44100);
    CHECK(predict(*algorithm, noise(441000)).size() == 9);
    throws([&] { algorithm->configure("inputSampleRate", 44100.5); }, {"inputSampleRate", "44100.5"});
    algorithm->configure("inputSampleRate", 16000, "model", "", "graphFilename", pb);
    CHECK(predict(*algorithm, signal) == expected);
    throws([&] { algorithm->configure("device", "cuda:99"); }, {"SleevePredict", "cuda"});
    throws([&] { algorithm->configure("device", "tape"); }, {"SleevePredict", "tape"});
    algorithm->configure("device", "auto");
    throws([&] { algorithm->configure("graphFilename", "/nowhere/graph.pb"); }, {"/nowhere/graph.pb"});
}

void heads(const std::string &model, const std::string &head) {
    const Standard embed = make("SleevePredict"), algorithm = make("SleevePredict2D");
    embed->configure("model", model, "output", "embeddings");
    const Rows embeddings = predict(*embed, noise(160000));
    throws([&] { predict2D(*algorithm, embeddings); }, {"SleevePredict2D", "no model"});
    throws([&] { algorithm->configure("model", model); }, {"SleevePredict2D", "takes audio", model});
    throws([&] { embed->configure("model", head); }, {"SleevePredict", "head", head});
    algorithm->configure("model", head);
    const Rows expected = predict2D(*algorithm, embeddings);
    CHECK(expected.size() == embeddings.size() && expected.front().size() == 3);
    Real sum = 0;
    for (const Real value : expected.front()) sum += value;
    CHECK(std::abs(sum - 1) < Real(1e-5));
    // With the names that TensorflowPredict2D uses for the same head.
    algorithm->configure("model", "", "graphFilename", head, "input", "model/Placeholder", "output", "model/Softmax",
                         "dimensions", 6, "batchSize", -1);
    CHECK(predict2D(*algorithm, embeddings) == expected);
    algorithm->configure("patchHopSize", 4);
    const Rows some = predict2D(*algorithm, embeddings);
    CHECK(some.size() == 3 && some[1] == expected[4] && some[2] == expected[8]);
    CHECK(predict2D(*algorithm, Rows()).empty());
    throws([&] { predict2D(*algorithm, Rows{{1, 2}}); }, {"SleevePredict2D", "6"});
    throws([&] { algorithm->configure("patchSize", 2); }, {"patchSize"});
}

// ---- streaming ----

struct Chain {
    explicit Chain(const Signal &signal) : input(new streaming::VectorInput<Real>(&signal)) {}

    // After the last connection.
    void run() {
        if (!network) network = std::make_unique<Network>(input);
        network->run();
    }

    streaming::VectorInput<Real> *input;
    std::unique_ptr<Network> network;
};

streaming::Algorithm *makeStreaming(const std::string &name) { return streaming::AlgorithmFactory::create(name); }

void streams(const std::string &model, const std::string &head) {
    const Signal signal = noise(300000);
    for (const char *mode : {"discard", "repeat"}) {
        const Standard whole = make("SleevePredict"), whole2D = make("SleevePredict2D");
        whole->configure("model", model, "lastPatchMode", mode, "output", "embeddings");
        whole2D->configure("model", head);
        const Rows expected = predict(*whole, signal), expected2D = predict2D(*whole2D, expected);
        CHECK(expected.size() > 16);  // more than fit into the output's buffer
        for (const bool accumulate : {false, true}) {
            for (const int chunk : {100, 4096}) {
                Pool pool;
                Chain chain(signal);
                chain.input->setAcquireSize(chunk);
                streaming::Algorithm *predict = makeStreaming("SleevePredict"), *predict2D = makeStreaming("SleevePredict2D");
                predict->configure("model", model, "lastPatchMode", mode, "output", "embeddings", "accumulate", accumulate);
                predict2D->configure("model", head);
                streaming::connect(chain.input->output("data"), predict->input("signal"));
                streaming::connect(predict->output("predictions"), pool, "embeddings");
                streaming::connect(predict->output("predictions"), predict2D->input("features"));
                streaming::connect(predict2D->output("predictions"), pool, "predictions");
                chain.run();
                CHECK(rowsOf(pool, "embeddings") == expected);
                CHECK(rowsOf(pool, "predictions") == expected2D);
                // Again, from the start.
                pool.clear();
                chain.network->reset();
                chain.run();
                CHECK(rowsOf(pool, "embeddings") == expected);
                CHECK(rowsOf(pool, "predictions") == expected2D);
            }
        }
    }
}

// A row is available as soon as its last sample is.
void latency(const std::string &model) {
    const Signal signal = noise(60000);
    Pool pool;
    Chain chain(signal);
    chain.input->setAcquireSize(256);
    streaming::Algorithm *predict = makeStreaming("SleevePredict");
    predict->configure("model", model);
    streaming::connect(chain.input->output("data"), predict->input("signal"));
    streaming::connect(predict->output("predictions"), pool, "rows");
    chain.network = std::make_unique<Network>(chain.input);
    chain.network->runPrepare();
    int steps = 0;
    std::vector<int> arrivals;
    while (chain.network->runStep()) {
        ++steps;
        while (arrivals.size() < rowsOf(pool, "rows").size()) arrivals.push_back(256 * steps);
    }
    // Patch p ends with frame 62 p + 127, whose last sample is 256 (62 p + 127) + 255.
    CHECK(arrivals == (std::vector<int>{256 * 128, 256 * (128 + 62)}));
}

void shortAndEmptyStreams(const std::string &model) {
    for (const char *mode : {"discard", "repeat"}) {
        const Signal signal = noise(1000);
        Pool pool;
        Chain chain(signal);
        streaming::Algorithm *predict = makeStreaming("SleevePredict");
        predict->configure("model", model, "lastPatchMode", mode);
        streaming::connect(chain.input->output("data"), predict->input("signal"));
        streaming::connect(predict->output("predictions"), pool, "rows");
        chain.run();
        CHECK(rowsOf(pool, "rows").size() == (std::string(mode) == "repeat" ? 1 : 0));
    }
    // After an error, the network can still be deleted.
    const Signal signal = noise(1000);
    Pool pool;
    Chain chain(signal);
    streaming::Algorithm *predict = makeStreaming("SleevePredict");
    streaming::connect(chain.input->output("data"), predict->input("signal"));
    streaming::connect(predict->output("predictions"), pool, "rows");
    throws([&] { chain.run(); }, {"SleevePredict", "no model"});
}

void streamedBands() {
    const Signal signal = noise(16000);
    Pool pool;
    Chain chain(signal);
    streaming::Algorithm *cutter = makeStreaming("FrameCutter");
    cutter->configure("frameSize", 512, "hopSize", 256);
    streaming::connect(chain.input->output("data"), cutter->input("signal"));
    for (const char *name : {"SleeveInputMusiCNN", "TensorflowInputMusiCNN"}) {
        streaming::Algorithm *bands = makeStreaming(name);
        streaming::connect(cutter->output("frame"), bands->input("frame"));
        streaming::connect(bands->output("bands"), pool, name);
    }
    chain.run();
    const Rows ours = rowsOf(pool, "SleeveInputMusiCNN"), theirs = rowsOf(pool, "TensorflowInputMusiCNN");
    CHECK(ours.size() > 60 && ours.size() == theirs.size());
    for (std::size_t row = 0; row < ours.size(); ++row)
        for (std::size_t i = 0; i < 96; ++i) CHECK(std::abs(ours[row][i] - theirs[row][i]) <= Real(5e-5));
}

}  // namespace

int main(int argc, char **argv) try {
    if (argc != 3) return 2;
    const std::string model = argv[1], head = argv[2];
    // The name of the TensorFlow graph beside the model: it need not exist.
    const std::string pb = model.substr(0, model.rfind('.')) + ".pb";
    registration();
    bands();
    counts(model);
    parameters(model, pb);
    heads(model, head);
    streams(model, head);
    latency(model);
    shortAndEmptyStreams(model);
    streamedBands();
    essentia::shutdown();
    std::puts("ok");
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
