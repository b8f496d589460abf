// A program as users write it: it must compile.

import { load, meanOf, samplesOf, similarity, topTags, type Analysis, type MelFrames } from "sleeve-music";
import { SleeveWorker } from "sleeve-music/client";

export async function here(buffer: AudioBuffer): Promise<string[]> {
  const sleeve = await load();
  const model = sleeve.bundledModel();
  const extractor = model.extractor({ patchHop: 93 });
  const { samples, ...layout } = samplesOf(buffer);
  const analysis: Analysis = extractor.extract(samples, layout);
  const silence = extractor.extract(new Float32Array(48_000), { sampleRate: 16_000 });
  if (!analysis.predictions || !analysis.embeddings || !silence.embeddings) return [];
  const alike: number = similarity(meanOf(analysis.embeddings), meanOf(silence.embeddings));
  const mel: MelFrames = sleeve.mel(samples, { ...layout, frontEnd: "musicnn" });
  const tags = topTags(analysis.predictions, meanOf(analysis.predictions), 5);
  extractor.free();
  model.free();
  return [...tags.map(({ name, value }) => `${name} ${value}`), `${alike} ${mel.frames}`];
}

export async function inAWorker(file: ArrayBuffer): Promise<number> {
  const worker = await SleeveWorker.create();
  const extractor = await worker.extractor(null, {});
  const stream = await extractor.stream({ sampleRate: 44_100, channels: 2 });
  const rows: Analysis = await stream.push(new Float32Array(2 * 44_100));
  await stream.free();
  const whole = await extractor.extractFile(file, "song.mp3");
  worker.terminate();
  return rows.times.length + whole.times.length;
}
