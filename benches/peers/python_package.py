"""A side of `cargo xtask bench python`: this package, or `musicnn`, or `essentia-tensorflow`.

    python_package.py FOLDER       answers requests, a line each
    python_package.py many FOLDER OUT THREADS

The package is whichever is installed. FOLDER has the recordings; of Essentia also `musicnn.pb`. Runs on Python 3.7.
"""

import os
import sys
import time


def files(folder):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if not name.endswith((".pb", ".json", ".onnx")))


class Sleeve:
    name = "sleeve"

    def load(self):
        import sleeve

        self.extractor = sleeve.Extractor(threads=1)

    def run(self, path):
        return self.extractor.extract(path).mean()

    def call(self, case, count):
        """Seconds of each call, in the middle of many."""
        import warnings

        import numpy
        import sleeve

        warnings.simplefilter("ignore")
        samples = numpy.full(600, 0.1, numpy.float32)
        block = samples[:256]
        stream = self.extractor.stream(16_000)
        work = {
            "extract": lambda: self.extractor.extract(samples, 16_000),
            "mel": lambda: sleeve.mel(samples, 16_000),
            "push": lambda: stream.push(block),
        }[case]
        times = []
        for _ in range(count):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        return sorted(times)[count // 2]


class Musicnn:
    name = "musicnn"

    def load(self):
        import tensorflow
        import musicnn.extractor

        tensorflow.compat.v1.logging.set_verbosity(tensorflow.compat.v1.logging.ERROR)
        self.extractor = musicnn.extractor.extractor

    def run(self, path):
        taggram, tags, features = self.extractor(path, model="MSD_musicnn", input_overlap=1.488, extract_features=True)
        return features["penultimate"].mean(axis=0)


class Essentia:
    name = "essentia.standard"

    def load(self):
        import essentia
        import essentia.standard as standard

        essentia.log.warningActive = essentia.log.infoActive = False
        self.loader = standard.MonoLoader
        self.network = standard.TensorflowPredictMusiCNN(
            graphFilename=os.path.join(sys.argv[1], "musicnn.pb"), input="patches", output="Identity_1"
        )

    def run(self, path):
        return self.network(self.loader(filename=path, sampleRate=16000, resampleQuality=4)()).mean(axis=0)


def side():
    import importlib.util

    for candidate in (Sleeve, Musicnn, Essentia):
        if importlib.util.find_spec(candidate.name.split(".")[0]) is not None:
            return candidate()
    sys.exit("no package to measure")


def size(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def main():
    if sys.argv[1] == "many":
        import numpy
        import sleeve

        _, _, folder, out, threads = sys.argv
        for result in sleeve.Extractor(threads=int(threads)).extract_many(files(folder)):
            name = os.path.join(out, os.path.basename(result.source))
            numpy.save(name + ".embeddings.npy", result.embeddings)
            numpy.save(name + ".predictions.npy", result.predictions)
        return
    package = side()
    # Packages print what they do: the answers alone go to where they are read.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request, *arguments = line.split()
        started = time.perf_counter()
        if request == "load":
            package.load()
            answer = time.perf_counter() - started
        elif request == "run":
            assert sum(float(abs(package.run(path)).sum()) for path in files(sys.argv[1])) > 0
            answer = time.perf_counter() - started
        elif request == "call":
            answer = package.call(arguments[0], int(arguments[1]))
        elif request == "memory":
            status = dict(line.split(":", 1) for line in open("/proc/self/status"))
            answer = int(status["VmHWM"].split()[0]) * 1024
        elif request == "size":
            import sysconfig

            answer = size(sysconfig.get_paths()["platlib"])
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
