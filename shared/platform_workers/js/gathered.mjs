// Chunks of a stream that come close together go to wasm as one: each costs a crossing, a turn of Rust's futures and a
// write to the caller, whatever its length. The first goes at once, later ones at most once in a while.

/** Between two hand-overs, so that the text on a screen still flows. */
const PAUSE_MS = 15;
/** What is read ahead at most. */
const AHEAD_BYTES_MAX = 64 << 10;

export class Gathered {
  constructor(stream) {
    this.reader = stream.getReader();
    this.chunks = [];
    this.bytes = 0;
    /** What the stream ended with: an error, or none. */
    this.end = undefined;
    this.reading = false;
    this.taker = undefined;
    this.timer = undefined;
    this.notBefore = 0;
  }

  /** What has come since the last time; undefined at the end. */
  next() {
    return new Promise((resolve, reject) => {
      this.taker = { resolve, reject };
      this.offer();
      if (!this.reading) this.read();
    });
  }

  cancel() {
    this.taker = undefined;
    clearTimeout(this.timer);
    this.reader.cancel().catch(() => {});
  }

  async read() {
    this.reading = true;
    while (this.end === undefined && this.bytes < AHEAD_BYTES_MAX) {
      try {
        const { done, value } = await this.reader.read();
        if (done) {
          this.end = {};
        } else {
          this.chunks.push(value);
          this.bytes += value.length;
        }
      } catch (error) {
        this.end = { error };
      }
      this.offer();
    }
    this.reading = false;
  }

  /** Hands over what there is, unless it is worth waiting for more. */
  offer() {
    const isOver = this.end !== undefined;
    if (this.taker === undefined || (this.bytes === 0 && !isOver)) return;
    const pause = this.notBefore - Date.now();
    if (pause <= 0 || isOver || this.bytes >= AHEAD_BYTES_MAX) this.handOver();
    else this.timer ??= setTimeout(() => this.handOver(), pause);
  }

  handOver() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { taker } = this;
    if (taker === undefined) return;
    this.taker = undefined;
    if (this.bytes > 0) {
      this.notBefore = Date.now() + PAUSE_MS;
      taker.resolve(this.joined());
    } else if (this.end.error !== undefined) {
      taker.reject(this.end.error);
    } else {
      taker.resolve(undefined);
    }
  }

  joined() {
    const { chunks, bytes } = this;
    this.chunks = [];
    this.bytes = 0;
    if (chunks.length === 1) return chunks[0];
    const all = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}
