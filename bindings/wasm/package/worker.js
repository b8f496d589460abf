// The worker that client.js talks to: an instance of the module, and the objects that the client made.

import { load } from "./index.js";

const objects = new Map();
let last = 0;
let sleeve = null;

function keep(object) {
  objects.set(++last, object);
  return last;
}

/** What an object says of itself: its own fields, without its methods. */
function fields(object) {
  return JSON.parse(JSON.stringify(object));
}

const methods = {
  async load(options) {
    sleeve = await load(options);
    return fields(sleeve);
  },
  extractor(model, options) {
    const opened = model ? sleeve.openModel(model) : sleeve.bundledModel();
    const extractor = opened.extractor(options);
    const answer = { id: keep(extractor), model: fields(opened), extractor: fields(extractor) };
    opened.free();
    return answer;
  },
  decode: (file, name) => sleeve.decode(file, name),
  mel: (samples, options) => sleeve.mel(samples, options),
  melStream(options) {
    const stream = sleeve.melStream(options);
    return { id: keep(stream), stream: fields(stream) };
  },
  extract: (id, samples, options) => objects.get(id).extract(samples, options),
  extractFile: (id, file, name) => objects.get(id).extractFile(file, name),
  stream: (id, options) => keep(objects.get(id).stream(options)),
  push: (id, samples) => objects.get(id).push(samples),
  finish: (id) => objects.get(id).finish(),
  reset: (id) => objects.get(id).reset(),
  free(id) {
    objects.get(id)?.free();
    objects.delete(id);
  },
};

/** The arrays in an answer, which are handed over and not copied. */
function transferred(answer) {
  const arrays = [answer?.samples, answer?.values, answer?.times, ...(answer?.outputs ?? []).map(({ values }) => values)];
  return arrays.filter(ArrayBuffer.isView).map(({ buffer }) => buffer);
}

async function serve({ number, method, values }) {
  try {
    const answer = await methods[method](...values);
    globalThis.postMessage({ number, answer }, transferred(answer));
  } catch (error) {
    globalThis.postMessage({ number, error: { name: error.name, message: error.message } });
  }
}

globalThis.onmessage = ({ data }) => serve(data);
