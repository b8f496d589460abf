"""Measures the npm package beside onnxruntime-web in one page of Chromium, taking turns.

usage: web_bench.py PACKAGE ONNXRUNTIME MODELS SECONDS ROUNDS STEM...

Both sides turn the same samples into tags: the package by itself; onnxruntime-web with the package's mel-spectrogram and
patches, since it has none, on its WebAssembly backend with one thread. Prints as JSON the seconds of each round.
"""

import http.server
import json
import shutil
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FOLDERS = dict(zip(("sleeve", "ort", "models"), sys.argv[1:4]))


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>bench</title><link rel=icon href=data:,>")

    def translate_path(self, path):
        first, _, rest = path.split("?")[0].lstrip("/").partition("/")
        return str(Path(FOLDERS[first]) / rest)

    def log_message(self, *_):
        pass


def main():
    seconds, rounds = float(sys.argv[4]), int(sys.argv[5])
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no Chromium on the PATH")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-zygote"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.on("pageerror", lambda error: print(error, file=sys.stderr))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        results = [page.evaluate(MEASURE, [stem, seconds, rounds]) for stem in sys.argv[6:]]
        version = browser.version
        browser.close()
    print(json.dumps({"chromium": version, "results": results}))


MEASURE = """async ([stem, seconds, rounds]) => {
  const { load } = await import("/sleeve/index.js");
  const ort = await import("/ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.logLevel = "error";
  const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  const onnx = await bytes(`/models/${stem}.onnx`);
  const json = new TextDecoder().decode(await bytes(`/models/${stem}.json`));
  const sleeve = await load();
  const extractor = sleeve.openModel({ onnx, json, name: stem }).extractor();
  const session = await ort.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
  const rate = 16000;
  const samples = Float32Array.from({ length: seconds * rate }, (_, i) => 0.3 * Math.sin(i * i * 1e-6) + 0.1 * Math.sin(i * 0.05));
  const layout = { sampleRate: rate };
  const [frames, hop] = [extractor.patchSeconds, extractor.hopSeconds].map((time) => Math.round(time * rate / 256));
  const name = session.inputNames[0];
  const of = (wanted) => extractor.outputs.find(({ purpose }) => purpose === wanted);
  const output = of("predictions") ?? of("embeddings");

  const ours = () => extractor.extract(samples, layout).output(output.purpose).values;
  const theirs = async (batch) => {
    const mel = sleeve.mel(samples, layout);
    const count = Math.floor((mel.frames - frames) / hop) + 1;
    const found = [];
    for (let first = 0; first < count; first += batch) {
      const rows = Math.min(batch, count - first);
      const input = new Float32Array(rows * frames * mel.bands);
      for (let row = 0; row < rows; row++) {
        const from = (first + row) * hop * mel.bands;
        input.set(mel.values.subarray(from, from + frames * mel.bands), row * frames * mel.bands);
      }
      const tensor = new ort.Tensor("float32", input, [rows, frames, mel.bands]);
      const answer = await session.run({ [name]: tensor }, [output.tensor]);
      found.push(...answer[output.tensor].data);
    }
    return found;
  };
  const contenders = [["sleeve", ours], ["onnxruntime-web, batch 1", () => theirs(1)], ["onnxruntime-web, batch 16", () => theirs(16)]];
  const times = contenders.map(() => []);
  let values;
  for (let round = 0; round <= rounds; round++) {
    const answers = [];
    for (const [index, [, run]] of contenders.entries()) {
      const began = performance.now();
      answers.push(await run());
      // The first round compiles.
      if (round > 0) times[index].push((performance.now() - began) / 1000);
    }
    values = answers;
  }
  let difference = 0;
  for (const other of values.slice(1)) {
    if (other.length !== values[0].length) throw new Error(`${other.length} values, not ${values[0].length}`);
    other.forEach((value, index) => { difference = Math.max(difference, Math.abs(value - values[0][index])); });
  }
  const melTimes = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    sleeve.mel(samples, layout);
    melTimes.push((performance.now() - began) / 1000);
  }
  return {
    stem, difference, vectors: sleeve.vectors, patches: values[0].length / output.dim, mel: melTimes,
    times: Object.fromEntries(contenders.map(([name], index) => [name, times[index]])),
  };
}"""

if __name__ == "__main__":
    main()
