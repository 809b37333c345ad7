// How long the work of one request, or of one object, may take. A timer costs the runtime about as much as a promise
// that crosses into wasm, and is hardly ever needed: so all that is waited for shares one.

export class Deadlines {
  #waits = new Set();
  #timer;
  #rings = Infinity;

  /** Calls `late` unless the wait is removed in time. */
  add(milliseconds, late) {
    const wait = { at: Date.now() + milliseconds, late };
    this.#waits.add(wait);
    this.#arm(wait.at);
    return wait;
  }

  remove(wait) {
    this.#waits.delete(wait);
  }

  /** What `work` comes to, or an error that says "timed out". */
  within(milliseconds, work) {
    return new Promise((resolve, reject) => {
      const wait = this.add(milliseconds, () => reject(new Error("timed out")));
      work.then(
        (value) => {
          this.remove(wait);
          resolve(value);
        },
        (error) => {
          this.remove(wait);
          reject(error);
        },
      );
    });
  }

  /** The same for what another request brings about; lanes.mjs says why it awaits. */
  async withinForeign(milliseconds, work) {
    let wait;
    const tooLong = new Promise((_, reject) => {
      wait = this.add(milliseconds, () => reject(new Error("timed out")));
    });
    try {
      return await Promise.race([work, tooLong]);
    } finally {
      this.remove(wait);
    }
  }

  /** A timer that was set for somebody who does not wait any more rings for nothing, and is set again for others. The
   *  last ends with its request. */
  #arm(at) {
    if (at >= this.#rings) return;
    clearTimeout(this.#timer);
    this.#rings = at;
    this.#timer = setTimeout(() => this.#ring(), at - Date.now());
  }

  #ring() {
    this.#rings = Infinity;
    const now = Date.now();
    for (const wait of this.#waits) {
      if (wait.at <= now) {
        this.#waits.delete(wait);
        wait.late();
      } else {
        this.#arm(wait.at);
      }
    }
  }
}
