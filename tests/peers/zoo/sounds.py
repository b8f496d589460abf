"""Synthetic music, and the inputs that each front end makes of it, to choose the weights by.

Only as exact as this needs: the reference of the front ends is Essentia, not this file.
"""

import functools

import numpy as np


def music(seed, seconds, rate):
    """Chords of decaying harmonic tones, hits of noise, and a pulse; every seed has its own key, tempo and timbre."""
    random = np.random.default_rng([seed, 7])
    count = int(seconds * rate)
    sound = random.normal(0, 10 ** random.uniform(-4, -2.5), count)
    beat = int(rate * random.uniform(0.18, 0.6))
    key = 55 * 2 ** random.uniform(0, 3)
    decay, brightness = random.uniform(1, 8), random.uniform(0.3, 1.6)
    for start in range(0, count, beat):
        t = np.arange(min(2 * beat, count - start)) / rate
        envelope = np.exp(-decay * t)
        for note in random.choice([0, 3, 4, 5, 7, 9, 12], 3, replace=False):
            pitch = key * 2 ** (note / 12)
            for harmonic in range(1, 9):
                if harmonic * pitch < 0.45 * rate:
                    level = 0.08 / harmonic**brightness
                    sound[start : start + len(t)] += level * envelope * np.sin(2 * np.pi * harmonic * pitch * t)
        if random.random() < 0.7:
            hit = random.normal(0, 0.1, len(t)) * np.exp(-30 * t)
            if random.random() < 0.5:
                hit = np.convolve(hit, np.ones(9) / 9, "same")
            sound[start : start + len(t)] += hit
    return sound * 10 ** random.uniform(-0.6, 0)


def bank(bins, rate, bands, low, high, htk, unit_max):
    """Triangles over the bins of a spectrum, `[bands, bins]`."""
    if htk:
        to, back = (lambda f: 2595 * np.log10(1 + f / 700)), (lambda m: 700 * (10 ** (m / 2595) - 1))
    else:
        step = np.log(6.4) / 27
        to = lambda f: np.where(f < 1000, f * 3 / 200, 15 + np.log(np.maximum(f, 1) / 1000) / step)
        back = lambda m: np.where(m < 15, m * 200 / 3, 1000 * np.exp(step * (m - 15)))
    edges = back(np.linspace(float(to(np.float64(low))), float(to(np.float64(high))), bands + 2))
    frequencies = np.arange(bins) * rate / (2 * (bins - 1))
    left, peak, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((frequencies - left) / (peak - left), (right - frequencies) / (right - peak)).clip(0)
    return triangles if unit_max else triangles * 2 / (right - left)


# rate, frame, hop, FFT, bands, lowest, highest frequency, power, HTK's scale, peaks of 1, what follows
FRONT_ENDS = {
    "musicnn": (16000, 512, 256, 512, 96, 0, 8000, True, False, False, lambda x: np.log10(1 + 10000 * x)),
    "vggish": (16000, 400, 160, 512, 64, 125, 7500, False, True, True, lambda x: np.log(x + 0.01)),
    "tempocnn": (11025, 1024, 512, 1024, 40, 20, 5000, False, False, False, lambda x: x),
    "sinet": (22050, 660, 220, 2048, 96, 50, 10500, True, False, True, lambda x: np.log10(np.maximum(x, 1e-30))),
    "openl3-128": (
        48000,
        2048,
        242,
        2048,
        128,
        0,
        24000,
        False,
        False,
        False,
        lambda x: 10 * np.log10(np.maximum(x, 1e-10)),
    ),
    "openl3-256": (
        48000,
        2048,
        242,
        2048,
        256,
        0,
        24000,
        False,
        False,
        False,
        lambda x: 10 * np.log10(np.maximum(x, 1e-10)),
    ),
}


def patch(front_end, seed, frames):
    """`[frames, bands]` of one piece of music."""
    rate, size, hop, fft, bands, low, high, power, htk, unit_max, follow = FRONT_ENDS[front_end]
    sound = music(seed, (frames * hop + size) / rate, rate)
    if front_end == "sinet":
        sound = (sound - sound.mean()) / (np.abs(sound).max() + 0.005)
    cut = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop][:frames] * np.hanning(size)
    spectrum = np.abs(np.fft.rfft(cut, fft))
    mel = follow((spectrum**2 if power else spectrum) @ bank(fft // 2 + 1, rate, bands, low, high, htk, unit_max).T)
    if front_end == "tempocnn":
        mel = (mel - mel.mean()) / mel.std()
    if front_end.startswith("openl3"):
        mel = np.maximum(mel, mel.max() - 80) - mel.max()
    return mel.astype(np.float32)


@functools.cache
def patches(front_end, frames, count):
    """`[count, frames, bands]`, each of other music."""
    return np.stack([patch(front_end, seed, frames) for seed in range(count)])


def waves(count):
    """`[count, 1024]`: samples at 16 kHz with mean 0 and deviation 1, as CREPE takes them."""
    sounds = np.stack([music(seed, 0.2, 16000)[1000:2024] for seed in range(count)])
    sounds = (sounds - sounds.mean(1, keepdims=True)) / sounds.std(1, keepdims=True)
    return sounds.astype(np.float32)
