// Sleeve in WebAssembly. Types and documentation are in index.d.ts; what crosses into the module, in src/lib.rs.

export class SleeveError extends Error {
  name = "SleeveError";
}

// A module with one fused multiply-add of relaxed vectors: valid where an engine has them.
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0,
  65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11,
);

export function hasRelaxedVectors() {
  return WebAssembly.validate(RELAXED);
}

async function compiled(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source);
  const url = new URL(source, import.meta.url);
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new SleeveError(`${url}: ${response.status} ${response.statusText}`);
  // Some static servers do not know the type, without which an engine refuses to compile while it loads.
  if (response.headers.get("content-type")?.startsWith("application/wasm")) {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

export async function load(options = {}) {
  const relaxed = options.relaxed ?? hasRelaxedVectors();
  const file = relaxed ? new URL("./sleeve-relaxed.wasm", import.meta.url) : new URL("./sleeve.wasm", import.meta.url);
  const module = await compiled(options.module ?? file);
  return new Sleeve(new Instance(await WebAssembly.instantiate(module, {})));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An instance of the module: calls with bytes in and out. */
class Instance {
  constructor({ exports }) {
    this.exports = exports;
    this.broken = null;
    // Objects that were forgotten without free().
    this.registry = new FinalizationRegistry((handle) => this.broken || this.exports.sleeve_free(handle));
  }

  /** Calls a function. Texts and arrays among the arguments go through memory. */
  call(name, ...values) {
    if (this.broken) throw new SleeveError(`the module has ended: ${this.broken}`);
    const { exports } = this;
    try {
      const numbers = values.flatMap((value) => (typeof value === "number" ? [value] : this.put(value)));
      const answer = exports[name](...numbers);
      if (answer < 0) throw new SleeveError(this.text());
      return answer;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) throw error;
      // Nothing unwinds in the module, so its memory may be in any state.
      this.broken = this.text() || error.message;
      throw new SleeveError(this.broken, { cause: error });
    }
  }

  put(value) {
    const bytes = typeof value === "string" ? encoder.encode(value)
      : value instanceof ArrayBuffer ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    // Of four gigabytes of memory, no piece can be larger than two.
    const at = bytes.length < 2 ** 31 ? this.exports.sleeve_allocate(bytes.length) >>> 0 : 0;
    if (at === 0) throw new SleeveError(`no memory for ${bytes.length} bytes`);
    new Uint8Array(this.exports.memory.buffer).set(bytes, at);
    return [at, bytes.length];
  }

  text() {
    const { exports } = this;
    const at = exports.sleeve_text() >>> 0;
    return decoder.decode(new Uint8Array(exports.memory.buffer, at, exports.sleeve_text_bytes()));
  }

  json() {
    return JSON.parse(this.text());
  }

  /** Copies of the last call's arrays, which the module then forgets. */
  arrays() {
    const { exports } = this;
    const arrays = [];
    for (let index = 0; index < exports.sleeve_arrays(); index++) {
      const at = exports.sleeve_array(index) >>> 0;
      arrays.push(new Float32Array(exports.memory.buffer, at, exports.sleeve_array_values(index)).slice());
    }
    exports.sleeve_forget();
    return arrays;
  }

  analysis() {
    const { times, outputs, warnings } = this.json();
    const values = this.arrays();
    return new Analysis({
      times: Float64Array.from(times),
      outputs: outputs.map((output, index) => ({ ...output, values: values[index] })),
      warnings,
    });
  }
}

/** What has a handle in the module. */
class Handle {
  #instance;
  #handle;

  constructor(instance, handle) {
    this.#instance = instance;
    this.#handle = handle;
    instance.registry.register(this, handle, this);
  }

  get instance() {
    if (this.#handle === 0) throw new SleeveError("the object was freed");
    return this.#instance;
  }

  get handle() {
    return this.#handle;
  }

  free() {
    if (this.#handle === 0) return;
    this.#instance.registry.unregister(this);
    if (!this.#instance.broken) this.#instance.exports.sleeve_free(this.#handle);
    this.#handle = 0;
  }
}
if (Symbol.dispose) Handle.prototype[Symbol.dispose] = Handle.prototype.free;

function floats(samples) {
  if (!(samples instanceof Float32Array)) throw new TypeError("samples must be a Float32Array");
  return samples;
}

function bytes(file, what) {
  if (file instanceof ArrayBuffer || ArrayBuffer.isView(file)) return file;
  throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
}

/** A number that the module can take: it would cut others to 32 bits without a word. */
function whole(value, least, what) {
  if (Number.isInteger(value) && value >= least && value < 2 ** 31) return value;
  throw new TypeError(`${what} must be a whole number from ${least} to ${2 ** 31 - 1}`);
}

/** The number of channels and the sample rate of an options object. */
function layout({ sampleRate, channels = 1 }) {
  return [whole(channels, 1, "channels"), whole(sampleRate, 1, "sampleRate (Hz)")];
}

export class Sleeve {
  #instance;

  constructor(instance) {
    this.#instance = instance;
    instance.call("sleeve_describe");
    Object.assign(this, instance.json());
  }

  bundledModel() {
    const handle = this.#instance.call("sleeve_bundled_model");
    return new Model(this.#instance, handle);
  }

  openModel({ onnx, json = "", name = "model" }) {
    const text = typeof json === "string" ? json : JSON.stringify(json);
    const handle = this.#instance.call("sleeve_model", name, bytes(onnx, "onnx"), text);
    return new Model(this.#instance, handle);
  }

  decode(file, name = "file") {
    this.#instance.call("sleeve_decode", name, bytes(file, "file"));
    const info = this.#instance.json();
    const [samples] = this.#instance.arrays();
    return { ...info, samples };
  }

  melStream(options) {
    const name = options.frontEnd ?? "musicnn";
    const number = this.frontEnds.findIndex((frontEnd) => frontEnd.name === name);
    if (number < 0) {
      const known = this.frontEnds.map((frontEnd) => frontEnd.name).join(", ");
      throw new SleeveError(`unknown front end ${name}; known: ${known}`);
    }
    const handle = this.#instance.call("sleeve_mel", number, ...layout(options));
    return new MelStream(this.#instance, handle, this.frontEnds[number]);
  }

  mel(samples, options) {
    const stream = this.melStream(options);
    try {
      const first = stream.push(samples).values;
      const last = stream.finish().values;
      const values = new Float32Array(first.length + last.length);
      values.set(first);
      values.set(last, first.length);
      return { values, bands: stream.bands, frames: values.length / stream.bands };
    } finally {
      stream.free();
    }
  }
}

export class Model extends Handle {
  constructor(instance, handle) {
    super(instance, handle);
    Object.assign(this, instance.json());
  }

  extractor({ patchHop } = {}) {
    const hop = patchHop === undefined ? 0 : whole(patchHop, 1, "patchHop");
    const handle = this.instance.call("sleeve_extractor", this.handle, hop);
    return new Extractor(this.instance, handle);
  }
}

export class Extractor extends Handle {
  constructor(instance, handle) {
    super(instance, handle);
    Object.assign(this, instance.json());
  }

  extract(samples, options) {
    this.instance.call("sleeve_extract", this.handle, floats(samples), ...layout(options));
    return this.instance.analysis();
  }

  extractFile(file, name = "file") {
    this.instance.call("sleeve_extract_file", this.handle, name, bytes(file, "file"));
    return this.instance.analysis();
  }

  stream(options) {
    const handle = this.instance.call("sleeve_stream", this.handle, ...layout(options));
    return new Stream(this.instance, handle);
  }
}

export class Stream extends Handle {
  push(samples) {
    this.instance.call("sleeve_stream_push", this.handle, floats(samples));
    return this.instance.analysis();
  }

  finish() {
    this.instance.call("sleeve_stream_finish", this.handle);
    return this.instance.analysis();
  }

  reset() {
    this.instance.call("sleeve_stream_reset", this.handle);
  }
}

export class MelStream extends Handle {
  constructor(instance, handle, frontEnd) {
    super(instance, handle);
    this.frontEnd = frontEnd.name;
    this.bands = frontEnd.bands;
    this.hopSeconds = frontEnd.hop / frontEnd.sampleRate;
  }

  push(samples) {
    this.instance.call("sleeve_mel_push", this.handle, floats(samples));
    return this.#frames();
  }

  finish() {
    this.instance.call("sleeve_mel_finish", this.handle);
    return this.#frames();
  }

  #frames() {
    const [values] = this.instance.arrays();
    return { values, bands: this.bands, frames: values.length / this.bands };
  }
}

export class Analysis {
  constructor({ times, outputs, warnings }) {
    this.times = times;
    this.outputs = outputs;
    this.warnings = warnings;
  }

  output(purpose) {
    return this.outputs.find((output) => output.purpose === purpose) ?? null;
  }

  get embeddings() {
    return this.output("embeddings");
  }

  get predictions() {
    return this.output("predictions");
  }
}

export function meanOf({ values, dim }) {
  const sums = new Float64Array(dim);
  const rows = values.length / dim;
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < dim; index++) sums[index] += values[row * dim + index];
  }
  return Float32Array.from(sums, (sum) => sum / rows);
}

export function topTags({ classes }, values, count = 10) {
  const tags = classes.map((name, index) => ({ name, value: values[index] }));
  return tags.sort((one, other) => other.value - one.value).slice(0, count);
}

export function similarity(one, other) {
  if (one.length !== other.length) throw new TypeError(`vectors of ${one.length} and of ${other.length} values`);
  let [product, first, second] = [0, 0, 0];
  for (let index = 0; index < one.length; index++) {
    product += one[index] * other[index];
    first += one[index] ** 2;
    second += other[index] ** 2;
  }
  return first > 0 && second > 0 ? product / Math.sqrt(first * second) : 0;
}

export function samplesOf(buffer) {
  const { numberOfChannels: channels, length, sampleRate } = buffer;
  if (channels === 1) return { samples: buffer.getChannelData(0), channels, sampleRate };
  const samples = new Float32Array(length * channels);
  for (let channel = 0; channel < channels; channel++) {
    const from = buffer.getChannelData(channel);
    for (let index = 0; index < length; index++) samples[index * channels + channel] = from[index];
  }
  return { samples, channels, sampleRate };
}
