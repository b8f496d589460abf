/** What went wrong, in words. After a failure inside the module itself every further call throws one. */
export class SleeveError extends Error {}

export type Bytes = ArrayBuffer | ArrayBufferView;

export interface LoadOptions {
  /** The module, its bytes or where it is; by default the file beside this package's code. */
  module?: WebAssembly.Module | Bytes | URL | string;
  /** Whether to load the variant with relaxed vectors (fused multiply-adds); by default where the engine has them. */
  relaxed?: boolean;
}

/** Loads an instance of the module. Nothing else is ever fetched. */
export function load(options?: LoadOptions): Promise<Sleeve>;

/** Whether this engine has WebAssembly's relaxed vectors. */
export function hasRelaxedVectors(): boolean;

export interface FrontEnd {
  readonly name: string;
  /** In Hz. */
  readonly sampleRate: number;
  /** Samples in a frame, and from one to the next. */
  readonly frameSize: number;
  readonly hop: number;
  /** Values in a frame. */
  readonly bands: number;
}

/** Interleaved samples; full scale is 1. */
export interface Layout {
  /** In Hz: any from 1,000 to 768,000; it is resampled to what the model takes. */
  sampleRate: number;
  /** 1 by default; more are interleaved, and their mean is taken. */
  channels?: number;
}

export interface MelOptions extends Layout {
  /** `musicnn` by default. */
  frontEnd?: string;
}

/** Mel frames, one after the other: band `b` of frame `f` is `values[f * bands + b]`. */
export interface MelFrames {
  readonly values: Float32Array;
  readonly bands: number;
  readonly frames: number;
}

export interface Decoded {
  /** Interleaved. */
  readonly samples: Float32Array;
  readonly sampleRate: number;
  readonly channels: number;
  /** The codec, and the container if the codec does not imply it. */
  readonly format: string;
  readonly warnings: readonly string[];
}

export class Sleeve {
  private constructor();
  readonly version: string;
  readonly vectors: "relaxed-simd" | "simd128" | "none";
  /** The names of the models inside the module. */
  readonly bundled: readonly string[];
  readonly frontEnds: readonly FrontEnd[];
  /** The bundled MusiCNN: 50 tags and embeddings of 200 values for every 3 seconds. */
  bundledModel(): Model;
  /** A convolutional model (MusiCNN, EfficientNet-B0, VGGish, ...) from its files' contents. */
  openModel(files: { onnx: Bytes; json?: string | object; name?: string }): Model;
  /** A whole file (MP3, AAC, FLAC, Ogg, Opus, WAV, ...) to samples, by the module's own decoders. */
  decode(file: Bytes, name?: string): Decoded;
  /** The mel-spectrogram of a signal. */
  mel(samples: Float32Array, options: MelOptions): MelFrames;
  /** A mel-spectrogram of samples as they come. */
  melStream(options: MelOptions): MelStream;
}

/** Memory in the module, released by `free`, or when the object is forgotten. */
declare class Handle {
  protected constructor();
  free(): void;
}

export type Purpose = "predictions" | "embeddings" | "other";

export class Model extends Handle {
  readonly name: string;
  readonly sha256: string;
  readonly classes: readonly string[];
  /** `null` for a head, which takes embeddings. */
  readonly frontEnd: string | null;
  readonly sampleRate: number;
  readonly outputs: readonly { readonly name: string; readonly purpose: Purpose; readonly dim: number }[];
  readonly warnings: readonly string[];
  /** `patchHop`: mel frames from patch to patch; by default the model's own. */
  extractor(options?: { patchHop?: number }): Extractor;
}

export interface OutputInfo {
  readonly tensor: string;
  readonly purpose: Purpose;
  /** Values for each patch. */
  readonly dim: number;
  /** Their names; empty if they have none. */
  readonly classes: readonly string[];
}

export class Extractor extends Handle {
  /** The engine in words. */
  readonly engine: string;
  readonly frontEnd: string;
  readonly outputs: readonly OutputInfo[];
  readonly patchSeconds: number;
  readonly hopSeconds: number;
  readonly warnings: readonly string[];
  /** A whole recording. */
  extract(samples: Float32Array, options: Layout): Analysis;
  /** A whole recording in a file's bytes, by the module's own decoders. */
  extractFile(file: Bytes, name?: string): Analysis;
  /** A recording as it comes. */
  stream(options: Layout): Stream;
}

/** One recording after the other, pushed in pieces of any size: the same rows as in one piece. */
export class Stream extends Handle {
  /** Takes samples, and gives the rows of the patches that they complete. */
  push(samples: Float32Array): Analysis;
  /** Ends the recording and gives its last rows; then `reset` begins the next. */
  finish(): Analysis;
  reset(): void;
}

export class MelStream extends Handle {
  readonly frontEnd: string;
  readonly bands: number;
  readonly hopSeconds: number;
  push(samples: Float32Array): MelFrames;
  /** The last frames; what is pushed next is another signal. */
  finish(): MelFrames;
}

export interface Output extends OutputInfo {
  /** Value `i` of patch `p` is `values[p * dim + i]`. */
  readonly values: Float32Array;
}

export class Analysis {
  constructor(parts: { times: Float64Array; outputs: readonly Output[]; warnings: readonly string[] });
  /** The beginning of each patch, in seconds. */
  readonly times: Float64Array;
  readonly outputs: readonly Output[];
  readonly warnings: readonly string[];
  output(purpose: Purpose): Output | null;
  readonly embeddings: Output | null;
  readonly predictions: Output | null;
}

/** The mean of an output over all patches; NaN if there are none. */
export function meanOf(output: Pick<Output, "values" | "dim">): Float32Array;

/** The classes of the largest values, the largest first. */
export function topTags(
  output: Pick<OutputInfo, "classes">,
  values: Float32Array,
  count?: number,
): { name: string; value: number }[];

/** The cosine of two vectors, such as mean embeddings: 1 if they point the same way. */
export function similarity(one: ArrayLike<number>, other: ArrayLike<number>): number;

/** The samples of Web Audio's buffer, as the other functions take them. */
export function samplesOf(buffer: {
  readonly numberOfChannels: number;
  readonly length: number;
  readonly sampleRate: number;
  getChannelData(channel: number): Float32Array;
}): { samples: Float32Array; channels: number; sampleRate: number };
