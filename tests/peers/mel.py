"""Essentia's frames of every `FRONT_END/NAME.f32` in a folder (mono samples at the front end's rate), as `NAME.npy`
beside it, `[frames, bands]`."""
import pathlib
import sys

import essentia
import numpy

essentia.log.infoActive = False
essentia.log.warningActive = False
import essentia.standard as standard


def generator(size, hop, ratio=0.0):
    return lambda samples: standard.FrameGenerator(
        samples, frameSize=size, hopSize=hop, validFrameThresholdRatio=ratio
    )


def algorithm(name, size, hop):
    """An algorithm that does all."""
    bands, cut = getattr(standard, name)(), generator(size, hop)
    return lambda samples: [bands(frame) for frame in cut(samples)]


def openl3(bands):
    """As MTG's script for OpenL3 puts Essentia's algorithms together, without its range of 80 dB per patch."""
    window = standard.Windowing(size=2048, normalized=False, zeroPhase=False)
    spectrum = standard.Spectrum(size=2048)
    mel = standard.MelBands(
        inputSize=1025, numberBands=bands, sampleRate=48000, lowFrequencyBound=0, highFrequencyBound=24000,
        type="magnitude", warpingFormula="slaneyMel", weighting="linear", normalize="unit_tri", log=False,
    )
    chunks, cut = generator(48000, 48000), generator(2048, 242, 0.5)

    def frames(samples):
        sums = [mel(spectrum(window(frame))) for chunk in chunks(samples) for frame in cut(chunk)]
        return 10 * numpy.log10(numpy.maximum(numpy.float32(1e-10), numpy.array(sums)))

    return frames


# Each with its number of bands.
front_ends = {
    "musicnn": (algorithm("TensorflowInputMusiCNN", 512, 256), 96),
    "vggish": (algorithm("TensorflowInputVGGish", 400, 160), 64),
    "tempocnn": (algorithm("TensorflowInputTempoCNN", 1024, 512), 40),
    "fsd-sinet": (algorithm("TensorflowInputFSDSINet", 660, 220), 96),
    "openl3-mel128": (openl3(128), 128),
    "openl3-mel256": (openl3(256), 256),
    "crepe": (lambda samples: list(generator(1024, 160, 0.5)(samples)), 1024),
}

for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.f32")):
    compute, bands = front_ends[path.parent.name]
    frames = compute(numpy.fromfile(path, dtype=numpy.float32))
    numpy.save(path.with_suffix(".npy"), numpy.array(frames, dtype=numpy.float32).reshape(-1, bands))
