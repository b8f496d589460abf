// Runs the npm package in Node, for the tests of this folder.
//
// usage: node.mjs PACKAGE extract SAMPLES RATE CHANNELS OUT [ONNX JSON]   rows of a recording, whole and in pieces
//        node.mjs PACKAGE file FILE OUT                                    rows of a file, by the package's decoders
//        node.mjs PACKAGE mel SAMPLES OUT                                  frames of each front end, at its own rate
//        node.mjs PACKAGE misuse                                           what wrong calls say
//
// SAMPLES and everything in the folder OUT are raw floats. Prints a report as JSON.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, what, ...rest] = process.argv.slice(2);
const sleeve = await import(pathToFileURL(join(folder, "index.js")));
const module = await sleeve.load({ relaxed: process.env.SLEEVE_RELAXED === "1" });

function floats(path) {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function write(out, name, values) {
  writeFileSync(join(out, `${name}.f32`), values);
}

function writeRows(out, analysis) {
  for (const { purpose, values } of analysis.outputs) write(out, purpose, values);
  return { times: Array.from(analysis.times), outputs: analysis.outputs.map(({ values, ...about }) => about) };
}

/** The same recording through a stream, in uneven pieces. */
function inPieces(extractor, samples, layout) {
  const stream = extractor.stream(layout);
  const found = [];
  for (let first = 0, piece = 1; first < samples.length; piece = (piece * 7) % 30011) {
    const count = Math.min(piece * layout.channels, samples.length - first);
    found.push(stream.push(samples.subarray(first, first + count)));
    first += count;
  }
  found.push(stream.finish());
  stream.free();
  return found;
}

function isSame(analysis, pieces) {
  return analysis.outputs.every(({ values }, index) => {
    const joined = pieces.flatMap(({ outputs }) => Array.from(outputs[index].values));
    return joined.length === values.length && joined.every((value, at) => Object.is(value, values[at]));
  });
}

/** A module with the same functions as far as they are called, of which one fails, having left a text. */
function faulty() {
  const words = new TextEncoder().encode("panicked at x.rs: why");
  const name = (text) => [text.length, ...new TextEncoder().encode(text)];
  const section = (id, content) => [id, content.length, ...content];
  const exported = [["memory", 2, 0], ["sleeve_describe", 0, 0], ["sleeve_text", 0, 1], ["sleeve_text_bytes", 0, 2]];
  return Uint8Array.from([
    0, 97, 115, 109, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 0, 1, 0x7f]),
    ...section(3, [3, 0, 0, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [exported.length, ...exported.flatMap(([text, kind, index]) => [...name(text), kind, index])]),
    ...section(10, [3, 3, 0, 0x00, 0x0b, 4, 0, 0x41, 8, 0x0b, 4, 0, 0x41, words.length, 0x0b]),
    ...section(11, [1, 0, 0x41, 8, 0x0b, words.length, ...words]),
  ]);
}

const commands = {
  extract(path, rate, channels, out, onnx, json) {
    const layout = { sampleRate: Number(rate), channels: Number(channels) };
    const files = () => ({ onnx: readFileSync(onnx), json: readFileSync(json, "utf8"), name: "given" });
    const model = onnx ? module.openModel(files()) : module.bundledModel();
    const extractor = model.extractor();
    model.free();
    const samples = floats(path);
    const analysis = extractor.extract(samples, layout);
    const report = writeRows(out, analysis);
    const streamed = isSame(analysis, inPieces(extractor, samples, layout));
    return { ...report, streamed, engine: extractor.engine, vectors: module.vectors, classes: model.classes };
  },

  file(path, out) {
    const bytes = readFileSync(path);
    const { samples, ...info } = module.decode(bytes, "music");
    write(out, "samples", samples);
    return { ...writeRows(out, module.bundledModel().extractor().extractFile(bytes, "music")), ...info };
  },

  mel(path, out) {
    const samples = floats(path);
    return module.frontEnds.map(({ name, sampleRate, bands }) => {
      const { values, frames } = module.mel(samples, { frontEnd: name, sampleRate });
      write(out, name, values);
      return { name, bands, frames };
    });
  },

  async misuse() {
    const said = {};
    const attempt = (name, call) => {
      try {
        call();
        said[name] = "no error";
      } catch (error) {
        said[name] = `${error.name}: ${error.message}`;
      }
    };
    const extractor = module.bundledModel().extractor();
    const layout = { sampleRate: 16000 };
    const silence = new Float32Array(16000 * 4);
    attempt("doubles", () => extractor.extract(new Float64Array(100), layout));
    attempt("no rate", () => extractor.extract(silence, {}));
    attempt("a rate beyond 32 bits", () => extractor.extract(silence, { sampleRate: 2 ** 32 + 16000 }));
    attempt("a fraction of a hop", () => module.bundledModel().extractor({ patchHop: 1.5 }));
    attempt("low rate", () => extractor.extract(silence, { sampleRate: 10 }));
    attempt("half a frame", () => extractor.extract(silence.subarray(1), { sampleRate: 16000, channels: 2 }));
    const spoilt = silence.slice();
    spoilt[1234] = NaN;
    attempt("NaN", () => extractor.extract(spoilt, layout));
    attempt("not audio", () => extractor.extractFile(new TextEncoder().encode("this is a text"), "notes.txt"));
    attempt("damaged", () => module.decode(new Uint8Array(10000).fill(0xff), "x.mp3"));
    attempt("not a model", () => module.openModel({ onnx: new Uint8Array(100), name: "none" }));
    attempt("front end", () => module.mel(silence, { sampleRate: 16000, frontEnd: "bark" }));
    attempt("too large", () => extractor.extractFile(new ArrayBuffer(2 ** 31)));
    const freed = module.bundledModel();
    freed.free();
    freed.free();
    attempt("freed", () => freed.extractor());
    const stream = extractor.stream(layout);
    stream.finish();
    attempt("after the end", () => stream.push(silence));
    stream.reset();
    const { times } = stream.push(silence);
    said["still works"] = `${times.length} patch, ${extractor.extract(silence, layout).times.length} patches`;
    said["a fault inside"] = await sleeve.load({ module: faulty() }).then(() => "no error", (error) => `${error.name}: ${error.message}`);
    return said;
  },
};

console.log(JSON.stringify(await commands[what](...rest)));
