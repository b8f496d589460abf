// The mel-spectrogram around a moment.

/** Seconds that are seen. */
const WIDTH = 8;

/** Colours from silence to the loudest, for a light and for a dark page: red, green, blue. */
const COLOURS = {
  light: [[255, 255, 255], [176, 196, 255], [59, 91, 219], [88, 28, 135], [30, 8, 50]],
  dark: [[19, 19, 24], [49, 46, 129], [162, 40, 120], [249, 115, 22], [254, 240, 138]],
};

function table(stops) {
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    const mixed = stops[first].map((from, index) => Math.round(from + (place - first) * (stops[first + 1][index] - from)));
    return (255 << 24) | (mixed[2] << 16) | (mixed[1] << 8) | mixed[0];
  });
}

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.inner = document.createElement("canvas");
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => { this.colours = null; });
  }

  /** Draws a recording with a moment at a place: 0 is the left edge, 1 the right. */
  draw(recording, seconds, place) {
    const { bands, frameSeconds } = recording;
    this.colours ??= table(this.dark.matches ? COLOURS.dark : COLOURS.light);
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth * ratio, this.canvas.clientHeight * ratio].map(Math.round);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const count = Math.ceil(WIDTH / frameSeconds);
    if (this.inner.width !== count || !this.pixels) {
      [this.inner.width, this.inner.height] = [count, bands];
      this.pixels = new ImageData(count, bands);
    }
    const colours = new Int32Array(this.pixels.data.buffer);
    const first = Math.round(seconds / frameSeconds - place * count);
    // MusiCNN's values are log10(1 + 10000 x): quiet music is near 0, loud near 5.
    const scale = 255 / 4.5;
    for (let column = 0; column < count; column++) {
      const frame = first + column;
      const known = frame >= 0 && frame < recording.frames;
      for (let band = 0; band < bands; band++) {
        const level = known ? Math.min(recording.values[frame * bands + band] * scale, 255) | 0 : 0;
        colours[(bands - 1 - band) * count + column] = this.colours[level];
      }
    }
    this.inner.getContext("2d").putImageData(this.pixels, 0, 0);
    this.pen.imageSmoothingEnabled = false;
    this.pen.drawImage(this.inner, 0, 0, width, height);
    if (place < 1) {
      this.pen.fillStyle = this.dark.matches ? "#fff" : "#000";
      this.pen.fillRect(Math.round(place * width), 0, Math.max(1, ratio), height);
    }
  }

  /** Seconds from the moment at `place` to a point of the screen. */
  static offset(fraction, place) {
    return (fraction - place) * WIDTH;
  }
}
