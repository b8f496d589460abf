// SPDX-License-Identifier: AGPL-3.0-or-later
//
// The same as `essentia_peer.py FOLDER once`, in C++: once FOLDER

#include <sched.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <essentia/algorithmfactory.h>
#include <sleeve_essentia.h>

using essentia::Real;
namespace standard = essentia::standard;

namespace {

// Loads a NumPy file of 32-bit floats in one dimension, written by the benchmark.
std::vector<Real> load(const std::string &file) {
    std::ifstream stream(file, std::ios::binary);
    unsigned char head[10];
    if (!stream.read(reinterpret_cast<char *>(head), sizeof(head)) || head[6] != 1) throw std::runtime_error(file);
    stream.seekg(0, std::ios::end);
    const std::streamoff end = stream.tellg(), start = 10 + head[8] + 256 * head[9];
    std::vector<Real> values(static_cast<std::size_t>(end - start) / sizeof(Real));
    stream.seekg(start);
    stream.read(reinterpret_cast<char *>(values.data()), end - start);
    return values;
}

void pinToOneCore() {
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof(allowed), &allowed);
    CPU_ZERO(&one);
    int core = 0;
    while (!CPU_ISSET(core, &allowed)) ++core;
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

std::size_t predict(standard::Algorithm &algorithm, const std::vector<Real> &signal) {
    std::vector<std::vector<Real>> rows;
    algorithm.input("signal").set(signal);
    algorithm.output("predictions").set(rows);
    algorithm.compute();
    return rows.size();
}

}  // namespace

int main(int argc, char **argv) try {
    if (argc != 2) return 2;
    const std::string folder = argv[1];
    pinToOneCore();
    essentia::init();
    sleeve_essentia::registerAlgorithms();
    const std::unique_ptr<standard::Algorithm> algorithm(standard::AlgorithmFactory::create("SleevePredict"));
    algorithm->configure("model", folder + "/graphs/effnet.onnx", "output", "Identity_1", "threads", 1);
    if (predict(*algorithm, load(folder + "/patch.npy")) != 1) return 1;
    std::puts("first");
    std::fflush(stdout);
    std::printf("%zu\n", predict(*algorithm, load(folder + "/signal.npy")));
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
