// Runs in the audio thread: collects the microphone into frames and hands them over with the time at which they end.

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.size = processorOptions.samplesPerFrame;
    this.frame = new Float32Array(this.size);
    this.filled = 0;
    this.open = true;
    this.port.onmessage = () => { this.open = false; };
  }

  process([input]) {
    const heard = input[0];
    const n = heard ? heard.length : 128;
    for (let taken = 0; taken < n;) {
      const room = Math.min(n - taken, this.size - this.filled);
      // A microphone that delivers nothing leaves the input empty: silence keeps the time right.
      if (heard) this.frame.set(heard.subarray(taken, taken + room), this.filled);
      else this.frame.fill(0, this.filled, this.filled + room);
      this.filled += room;
      taken += room;
      if (this.filled === this.size) {
        this.port.postMessage({ samples: this.frame, endedAt: (currentFrame + taken - 1) / sampleRate }, [this.frame.buffer]);
        this.frame = new Float32Array(this.size);
        this.filled = 0;
      }
    }
    return this.open;
  }
}

registerProcessor("capture", Capture);
