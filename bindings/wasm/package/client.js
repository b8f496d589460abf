// The package in a worker, so that a page stays responsive while a network runs. Types are in client.d.ts.

import { Analysis, SleeveError } from "./index.js";

export class SleeveWorker {
  #worker;
  #waiting = new Map();
  #last = 0;
  #ended = null;

  static async create({ worker, ...options } = {}) {
    const started = worker ?? new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    const client = new SleeveWorker(started);
    Object.assign(client, await client.call("load", [options]));
    return client;
  }

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { number, answer, error } }) => {
      const { resolve, reject } = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (!error) resolve(answer);
      else reject(error.name === "TypeError" ? new TypeError(error.message) : new SleeveError(error.message));
    };
    worker.onerror = (event) => this.#end(event.message || "the worker could not be started");
  }

  /** Runs a method of worker.js. */
  call(method, values, transferred = []) {
    if (this.#ended) return Promise.reject(new SleeveError(this.#ended));
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, method, values }, transferred);
    });
  }

  #end(why) {
    this.#ended = why;
    for (const { reject } of this.#waiting.values()) reject(new SleeveError(why));
    this.#waiting.clear();
  }

  async extractor(model = null, options = {}) {
    const { id, ...about } = await this.call("extractor", [model, options]);
    return new WorkerExtractor(this, id, about);
  }

  decode(file, name) {
    return this.call("decode", [file, name]);
  }

  mel(samples, options) {
    return this.call("mel", [samples, options]);
  }

  async melStream(options) {
    const { id, stream } = await this.call("melStream", [options]);
    return new WorkerMelStream(this, id, stream);
  }

  terminate() {
    this.#worker.terminate();
    this.#end("the worker was terminated");
  }
}

class Remote {
  #client;
  #id;

  constructor(client, id) {
    this.#client = client;
    this.#id = id;
  }

  call(method, ...values) {
    if (this.#id === 0) return Promise.reject(new SleeveError("the object was freed"));
    return this.#client.call(method, [this.#id, ...values]);
  }

  get client() {
    return this.#client;
  }

  async free() {
    if (this.#id === 0) return;
    const freed = this.call("free");
    this.#id = 0;
    await freed;
  }
}

export class WorkerExtractor extends Remote {
  constructor(client, id, { model, extractor }) {
    super(client, id);
    this.model = model;
    Object.assign(this, extractor);
  }

  async extract(samples, options) {
    return new Analysis(await this.call("extract", samples, options));
  }

  async extractFile(file, name) {
    return new Analysis(await this.call("extractFile", file, name));
  }

  async stream(options) {
    return new WorkerStream(this.client, await this.call("stream", options));
  }
}

export class WorkerStream extends Remote {
  async push(samples) {
    return new Analysis(await this.call("push", samples));
  }

  async finish() {
    return new Analysis(await this.call("finish"));
  }

  async reset() {
    await this.call("reset");
  }
}

export class WorkerMelStream extends Remote {
  constructor(client, id, about) {
    super(client, id);
    Object.assign(this, about);
  }

  push(samples) {
    return this.call("push", samples);
  }

  finish() {
    return this.call("finish");
  }
}
