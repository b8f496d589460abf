import type {
  Analysis, Bytes, Decoded, FrontEnd, Layout, LoadOptions, MelFrames, MelOptions, Model, OutputInfo,
} from "./index.js";

/** The package in a worker: as `Sleeve`, but every answer is a promise, and the page stays responsive. */
export class SleeveWorker {
  private constructor();
  /** `worker`: one that runs worker.js, where a bundler makes it; by default it is started from beside this file. */
  static create(options?: LoadOptions & { worker?: Worker }): Promise<SleeveWorker>;
  readonly version: string;
  readonly vectors: "relaxed-simd" | "simd128" | "none";
  readonly bundled: readonly string[];
  readonly frontEnds: readonly FrontEnd[];
  /** An extractor of the bundled model, or of a model's files. */
  extractor(
    model?: { onnx: Bytes; json?: string | object; name?: string } | null,
    options?: { patchHop?: number },
  ): Promise<WorkerExtractor>;
  decode(file: Bytes, name?: string): Promise<Decoded>;
  mel(samples: Float32Array, options: MelOptions): Promise<MelFrames>;
  melStream(options: MelOptions): Promise<WorkerMelStream>;
  /** Ends the worker. What is not answered yet is refused. */
  terminate(): void;
}

declare class Remote {
  protected constructor();
  /** Releases the object's memory in the worker. */
  free(): Promise<void>;
}

export class WorkerExtractor extends Remote {
  readonly model: Pick<Model, "name" | "sha256" | "classes" | "frontEnd" | "sampleRate" | "outputs" | "warnings">;
  readonly engine: string;
  readonly frontEnd: string;
  readonly outputs: readonly OutputInfo[];
  readonly patchSeconds: number;
  readonly hopSeconds: number;
  readonly warnings: readonly string[];
  extract(samples: Float32Array, options: Layout): Promise<Analysis>;
  extractFile(file: Bytes, name?: string): Promise<Analysis>;
  stream(options: Layout): Promise<WorkerStream>;
}

export class WorkerStream extends Remote {
  push(samples: Float32Array): Promise<Analysis>;
  finish(): Promise<Analysis>;
  reset(): Promise<void>;
}

export class WorkerMelStream extends Remote {
  readonly frontEnd: string;
  readonly bands: number;
  readonly hopSeconds: number;
  push(samples: Float32Array): Promise<MelFrames>;
  finish(): Promise<MelFrames>;
}
