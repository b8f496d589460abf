"""Essentia's MonoLoader, as an oracle and for benchmarks.

mono_loader.py convert RATE QUALITY IN OUT [IN OUT ...]
    Writes each file as mono float32 at RATE. For a file that fails, writes no output and prints a line on stderr.

mono_loader.py time RATE QUALITY
    Loads each path on standard input and prints one line: CPU seconds, number of samples.
"""

import sys
import time

import essentia

essentia.log.infoActive = False
essentia.log.warningActive = False

from essentia.standard import MonoLoader  # noqa: E402


def load(path, rate, quality):
    return MonoLoader(filename=path, sampleRate=rate, resampleQuality=quality)()


def main():
    mode, rate, quality = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    if mode == "convert":
        paths = sys.argv[4:]
        for source, target in zip(paths[::2], paths[1::2]):
            try:
                load(source, rate, quality).astype("<f4").tofile(target)
            except RuntimeError as error:
                print(f"{source}: {error}", file=sys.stderr)
    else:
        for line in sys.stdin:
            start = time.process_time()
            samples = len(load(line.rstrip("\n"), rate, quality))
            print(time.process_time() - start, samples, flush=True)


main()
