// Streams on their way from a provider to a caller. A relay in wasm (src/stream_relay.rs) looks at what comes, and
// settles at the end.
//
// Bytes that pass as they are, the runtime pumps natively, to the caller and to a copy that is looked at from time to
// time; what that costs does not grow with the number of chunks. Where each must be seen, those that come close together
// are looked at, and written, as one.

/** What a look says. */
const GO_ON = 0;
const WHOLE = 2;
const CUT = 3;
/** Added to it: what goes out is what came in. */
const UNCHANGED = 4;

/** How a stream ends. */
const HERE = 0;
const BROKEN = 1;
const LEFT = 2;

/** Between two looks at bytes that pass as they are. */
const LOOK_MS = 250;
const LOOK_BYTES = 64 << 10;
/** Between two writes of bytes that do not, so that the text on a screen still flows. */
const WRITE_MS = 15;
/** What may be on its way to a slow caller before its source is held back. */
const BACKLOG_BYTES_MAX = 64 << 10;
/** How often a relay is asked while nothing comes, and how long a source's end is waited for: as in platform::relay. */
const IDLE_MS = 5_000;
const END_WAIT_MS = 1_000;

/** Relays what `answer` brings to `writable`, until it has ended or its caller has left. */
export async function relay(answer, streamRelay, writable, signal) {
  const stream = new (streamRelay.passes() ? Passing : Rewritten)(answer, streamRelay, writable);
  const leave = () => stream.leave();
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave);
  const idle = setInterval(() => stream.follow(streamRelay.idle()), IDLE_MS);
  try {
    const [how, error] = await stream.run();
    clearInterval(idle);
    // Settled before a slow caller has read everything, and before anybody has seen the end.
    const tail = await streamRelay.end(how, String(error));
    if (how !== LEFT) await stream.finish(tail);
  } catch (error) {
    // A panic, or a caller who left at the end.
    answer.cut.abort();
    writable.abort(error).catch(() => {});
  } finally {
    clearInterval(idle);
    signal?.removeEventListener("abort", leave);
  }
}

class Stream {
  constructor(answer, relay, writable) {
    this.answer = answer;
    this.relay = relay;
    this.writable = writable;
    this.flow = GO_ON;
    this.hasLeft = false;
  }

  /** The provider is told at once: it costs money while it produces. */
  leave() {
    this.hasLeft = true;
    this.answer.cut.abort();
  }

  /** Does what the relay said. */
  follow(flow) {
    this.flow = flow;
    if (flow === CUT) this.answer.cut.abort();
  }

  /** [how it ended, the error if it broke] */
  ended(error) {
    if (this.hasLeft) return [LEFT];
    return error === undefined || this.flow >= WHOLE ? [HERE] : [BROKEN, error.message];
  }
}

/** The source's own end makes both branches end after the same byte, also when it was cut: so what went out is known. */
class Passing extends Stream {
  constructor(answer, relay, writable) {
    super(answer, relay, writable);
    const [passing, seen] = answer.body.tee();
    this.reader = seen.getReader({ mode: "byob" });
    this.isPiped = false;
    this.pipe = passing.pipeTo(writable, { preventClose: true, preventAbort: true }).then(
      () => this.piped(),
      () => {
        this.piped();
        answer.cut.abort();
      },
    );
  }

  async run() {
    let room = new ArrayBuffer(LOOK_BYTES);
    try {
      while (this.flow !== WHOLE) {
        const { done, value } = await this.reader.read(new Uint8Array(room));
        if (done) break;
        this.follow(this.relay.look(value) & ~UNCHANGED);
        if (this.flow === GO_ON && value.length < LOOK_BYTES) await this.pause();
        room = value.buffer;
      }
    } catch (error) {
      return this.ended(error);
    }
    return this.ended();
  }

  /** Until the next look, or until all is there to be looked at. */
  async pause() {
    if (this.isPiped || this.hasLeft) return;
    let timer;
    await new Promise((resolve) => {
      this.wake = resolve;
      timer = setTimeout(resolve, LOOK_MS);
    });
    clearTimeout(timer);
  }

  piped() {
    this.isPiped = true;
    this.wake?.();
  }

  leave() {
    super.leave();
    this.wake?.();
  }

  async finish(tail) {
    const late = setTimeout(() => this.answer.cut.abort(), END_WAIT_MS);
    await this.pipe;
    clearTimeout(late);
    const writer = this.writable.getWriter();
    if (tail.length > 0) await writer.write(tail);
    await writer.close();
  }
}

class Rewritten extends Stream {
  constructor(answer, relay, writable) {
    super(answer, relay, writable);
    this.reader = answer.body.getReader();
    this.writer = writable.getWriter();
    this.chunks = [];
    this.bytes = 0;
    this.notBefore = 0;
    this.backlog = 0;
    this.isOver = false;
  }

  run() {
    return new Promise((resolve) => {
      this.end = (error) => {
        this.isOver = true;
        resolve(this.ended(error));
      };
      this.read();
    });
  }

  async read() {
    try {
      while (this.flow < WHOLE) {
        const { done, value } = await this.reader.read();
        if (done) break;
        this.chunks.push(value);
        this.bytes += value.length;
        const pause = this.notBefore - Date.now();
        if (pause <= 0 || this.bytes > BACKLOG_BYTES_MAX) this.write();
        else this.timer ??= setTimeout(() => this.write(), pause);
        if (this.backlog > BACKLOG_BYTES_MAX) await this.written;
      }
      this.write();
      this.end();
    } catch (error) {
      this.write();
      this.end(error);
    }
    clearTimeout(this.late);
  }

  /** Looks at what has come, and writes what goes out for it. */
  write() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.bytes === 0 || this.isOver) return;
    const chunk = joined(this.chunks, this.bytes);
    this.chunks = [];
    this.bytes = 0;
    this.notBefore = Date.now() + WRITE_MS;
    const flow = this.relay.look(chunk);
    const out = flow & UNCHANGED ? chunk : this.relay.out();
    if (out.length > 0) this.send(out);
    this.follow(flow & ~UNCHANGED);
  }

  send(out) {
    const { length } = out;
    this.backlog += length;
    this.written = this.writer.write(out).then(
      () => (this.backlog -= length),
      () => {},
    );
  }

  follow(flow) {
    super.follow(flow);
    if (flow < WHOLE) return;
    // Nothing follows but the end; a connection that was read to it can be used again.
    if (flow === WHOLE) this.late = setTimeout(() => this.answer.cut.abort(), END_WAIT_MS);
    this.end();
  }

  leave() {
    this.write();
    super.leave();
    this.end?.();
  }

  async finish(tail) {
    if (tail.length > 0) await this.writer.write(tail);
    await this.writer.close();
  }
}

function joined(chunks, bytes) {
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
