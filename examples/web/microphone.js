// What the audio thread does with the microphone: pieces of an eighth of a second go to the page.

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(Math.round(sampleRate / 8));
    this.used = 0;
  }

  process([channels]) {
    const samples = channels[0];
    if (!samples) return true;
    for (const sample of samples) {
      this.piece[this.used++] = sample;
      if (this.used === this.piece.length) {
        this.port.postMessage(this.piece.slice());
        this.used = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
