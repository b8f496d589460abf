// A recording: what is heard of it so far, mel frames and tags over time.

import { meanOf, samplesOf } from "./sleeve/index.js";

/** Samples are given to the worker in pieces of this length, so that tags come while a long song is still analysed. */
const PIECE = 10;

export class Recording {
  constructor(name, extractor, mel) {
    this.name = name;
    this.extractor = extractor;
    this.bands = mel.bands;
    this.frameSeconds = mel.hopSeconds;
    this.classes = extractor.model.classes;
    this.frames = 0;
    this.values = new Float32Array(1 << 16);
    this.times = [];
    this.tags = [];
    this.embeddings = [];
    this.seconds = 0;
  }

  addMel({ values, frames }) {
    const used = this.frames * this.bands;
    if (used + values.length > this.values.length) {
      const more = new Float32Array(2 * (used + values.length));
      more.set(this.values.subarray(0, used));
      this.values = more;
    }
    this.values.set(values, used);
    this.frames += frames;
  }

  addRows(analysis) {
    const { predictions, embeddings } = analysis;
    analysis.times.forEach((time, row) => {
      this.times.push(time);
      this.tags.push(predictions.values.slice(row * predictions.dim, (row + 1) * predictions.dim));
      this.embeddings.push(embeddings.values.slice(row * embeddings.dim, (row + 1) * embeddings.dim));
    });
  }

  /** The tags at a time: between two patches, a mixture of both. Null before there are any. */
  tagsAt(time) {
    if (this.tags.length === 0) return null;
    // A patch tells most of its middle.
    const place = (time - this.extractor.patchSeconds / 2) / this.extractor.hopSeconds;
    const first = Math.min(Math.max(Math.floor(place), 0), this.tags.length - 1);
    const [one, next] = [this.tags[first], this.tags[Math.min(first + 1, this.tags.length - 1)]];
    const part = Math.min(Math.max(place - first, 0), 1);
    return one.map((value, index) => value + part * (next[index] - value));
  }

  /** The mean of all patches. */
  mean(rows = this.tags) {
    const dim = rows[0].length;
    const values = new Float32Array(rows.length * dim);
    rows.forEach((row, index) => values.set(row, index * dim));
    return meanOf({ values, dim });
  }
}

/**
 * Analyses whole samples, piece by piece; `progress` is called with the part that is done. Returns early if `goesOn`
 * says so.
 */
export async function analyse(worker, recording, { samples, channels, sampleRate }, progress, goesOn) {
  const layout = { channels, sampleRate };
  const [rows, mel] = [await recording.extractor.stream(layout), await worker.melStream(layout)];
  try {
    const step = PIECE * sampleRate * channels;
    for (let first = 0; first < samples.length; first += step) {
      const piece = samples.slice(first, first + step);
      recording.addMel(await mel.push(piece));
      recording.addRows(await rows.push(piece));
      if (!goesOn()) return;
      progress(Math.min((first + step) / samples.length, 1));
    }
    recording.addMel(await mel.finish());
    recording.addRows(await rows.finish());
  } finally {
    await Promise.all([rows.free(), mel.free()]);
  }
}

/** A file's samples, by the browser, or where it cannot, by the package's own decoders. */
export async function decode(worker, file) {
  const bytes = await file.arrayBuffer();
  try {
    // Most music is at this rate, and is then not resampled by the browser. A copy, for decoding takes the bytes away.
    const context = new OfflineAudioContext(1, 1, 44100);
    return samplesOf(await context.decodeAudioData(bytes.slice(0)));
  } catch {
    return worker.decode(bytes, file.name);
  }
}
