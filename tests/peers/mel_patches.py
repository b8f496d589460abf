"""Essentia's mel-spectrogram of a recording, cut into patches.

    mel_patches.py RECORDING FRAMES HOP OUTPUT.npy

OUTPUT is `[patches, FRAMES * 96]`: every complete patch.
"""

import sys

import essentia
import essentia.standard as es
import numpy as np

essentia.log.infoActive = essentia.log.warningActive = False
recording, frames, hop, output = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
audio = es.MonoLoader(filename=recording, sampleRate=16000, resampleQuality=4)()
mel = es.TensorflowInputMusiCNN()
bands = np.array([mel(frame) for frame in es.FrameGenerator(audio, frameSize=512, hopSize=256)])
starts = range(0, len(bands) - frames + 1, hop)
np.save(output, np.array([bands[start : start + frames].ravel() for start in starts], np.float32))
