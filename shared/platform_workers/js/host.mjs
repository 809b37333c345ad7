// What the wasm asks of the Workers runtime, in calls that do as much as possible at once. Rust's
// side is src/host.rs.

import { Deadlines } from "./deadlines.mjs";
import { runInLane } from "./lanes.mjs";
import { relay } from "./relay.mjs";
import { counts } from "./test_hooks.mjs";

// Rust's futures are driven by microtasks. The runtime's own queueMicrotask wraps each in an object; a promise
// that is settled queues it as it is.
const settled = Promise.resolve();
globalThis.queueMicrotask = (task) => {
  settled.then(task);
};

/** Calls into wasm that have not answered yet. A panic ends the one that it happened in; without
 *  this its caller would wait for ever, since a trapped future never resolves. */
export const pendingCalls = {
  next: 1,
  /** call → { reject, request }, the request if its caller may leave it */
  pending: new Map(),
  run(start, request) {
    const call = this.next++;
    return new Promise((resolve, reject) => {
      this.pending.set(call, { reject, request });
      start(call).then(resolve, reject);
    }).finally(() => this.pending.delete(call));
  },
};

export function panicked(call, message) {
  console.error("panic:", message);
  pendingCalls.pending.get(call)?.reject(new Error("panic"));
}

export function log(level, line) {
  (level <= 1 ? console.error : level === 2 ? console.warn : console.log)(line);
}

// The clock. Tests may set it off through a binding that no shipped configuration has.
export const clock = { offset: 0 };

export function now() {
  return Date.now() + clock.offset;
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export function newDeadlines() {
  return new Deadlines();
}

/** A wait whose `late` resolves when it has lasted too long. */
export function startWait(deadlines, milliseconds) {
  let resolve;
  const late = new Promise((whenLate) => (resolve = whenLate));
  return [deadlines.add(milliseconds, resolve), late];
}

export function endWait(deadlines, wait) {
  deadlines.remove(wait);
}

export function random(bytes) {
  crypto.getRandomValues(bytes);
}

export function setting(env, name) {
  return env[name];
}

export function waitUntil(context, promise) {
  context.waitUntil(promise);
}

// Bytes come as a view of wasm's memory, which is written again before the runtime has sent them: they are copied.

/** Pairs of lines: a header's name, then its value. */
function pairs(lines) {
  const parts = lines.split("\n");
  const headers = [];
  for (let at = 0; at + 1 < parts.length; at += 2) headers.push([parts[at], parts[at + 1]]);
  return headers;
}

export function response(status, headers, body) {
  return new Response(body.slice(), { status, headers: pairs(headers) });
}

/** A response whose body is written bit by bit: [the response, the body's writer]. */
export function streamed(call, status, headers) {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writerOf(writable, pendingCalls.pending.get(call)?.request?.signal);
  return [new Response(readable, { status, headers: pairs(headers) }), writer];
}

/** An answer as `send` gives it, whose body is written bit by bit: [the answer, the body's writer]. */
export function ownAnswer() {
  const { readable, writable } = new IdentityTransformStream();
  const cut = new AbortController();
  return [{ body: readable, cut, reader: undefined }, writerOf(writable, cut.signal)];
}

function writerOf(writable, signal) {
  const writer = writable.getWriter();
  writer.backlog = 0;
  // While nothing is written, only the signal tells that nobody reads any more.
  writer.left = new Promise((resolve) => {
    writer.closed.then(resolve, resolve);
    signal?.addEventListener("abort", resolve);
  });
  return writer;
}

/** A response whose body is what comes of `answer`, and of what its relay makes of it. */
export function relayed(call, status, headers, answer, streamRelay, context) {
  const { readable, writable } = new IdentityTransformStream();
  const signal = pendingCalls.pending.get(call)?.request?.signal;
  context.waitUntil(relay(answer, streamRelay, writable, signal));
  return new Response(readable, { status, headers: pairs(headers) });
}

/** Resolves when nobody reads any more, or all is written. */
export function left(writer) {
  return writer.left;
}

/** What may be on its way to a slow caller before its source is held back. */
const BACKLOG_BYTES_MAX = 64 << 10;

/** Writes; a promise of room if the caller is slower than the source, else undefined. That nobody reads any
 *  more shows by `left`. */
export function write(writer, chunk) {
  const copy = chunk.slice();
  writer.backlog += copy.length;
  const written = writer.write(copy).then(
    () => (writer.backlog -= copy.length),
    () => {},
  );
  return writer.backlog > BACKLOG_BYTES_MAX ? written : undefined;
}

export function close(writer) {
  return writer.close();
}

export function abort(writer) {
  writer.abort(new Error("the stream broke")).catch(() => {});
}

/** Bodies up to this length come along whole. */
const WHOLE_BODY_MAX = 1 << 20;

/** All that is read of an answer's headers; each costs a crossing. */
const HEADERS_OF_INTEREST = ["content-type", "retry-after"];

/** Sends, and answers [status, header lines, the whole body or undefined, the body to come or undefined]. */
export async function send(method, url, headers, body) {
  // Others are never cut.
  const cut = headers.includes("text/event-stream") ? new AbortController() : undefined;
  const answer = await fetch(url, {
    method,
    headers: pairs(headers),
    body: body.length > 0 ? body.slice() : undefined,
    redirect: "manual",
    signal: cut?.signal,
  });
  let lines = "";
  for (const name of HEADERS_OF_INTEREST) {
    const value = answer.headers.get(name);
    if (value !== null) lines += `${name}\n${value}\n`;
  }
  const length = answer.headers.get("content-length");
  const whole = answer.body === null || (length !== null && Number(length) <= WHOLE_BODY_MAX);
  return whole
    ? [answer.status, lines, new Uint8Array(await answer.arrayBuffer()), undefined]
    : [answer.status, lines, undefined, { body: answer.body, cut, reader: undefined }];
}

/** The next chunk of a body to come, or undefined at the end. */
export async function read(answer) {
  answer.reader ??= answer.body.getReader();
  const { value } = await answer.reader.read();
  return value;
}

export function cancel({ cut, body, reader }) {
  if (cut !== undefined) cut.abort();
  else (reader ?? body).cancel().catch(() => {});
}

function objectOf(env, binding, jurisdiction, name) {
  const namespace = env[binding];
  if (namespace === undefined) throw new Error(`the binding ${binding} is missing`);
  return (jurisdiction === "" ? namespace : namespace.jurisdiction(jurisdiction)).getByName(name);
}

/** Runs a command in the object `name`; commands of one moment share a call (see lanes.mjs). An object that panicked
 *  or hangs may never answer. */
export function applyInObject(env, binding, jurisdiction, name, command, milliseconds, deadlines) {
  const bounded = (answer) => deadlines.withinForeign(milliseconds, answer);
  const send = (commands) => deadlines.within(milliseconds, objectOf(env, binding, jurisdiction, name).apply(commands));
  try {
    return runInLane(`${binding}/${name}`, command, send, bounded);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Makes the object `name` deliver what waits. */
export async function deliverInObject(env, binding, jurisdiction, name, milliseconds, deadlines) {
  return deadlines.within(milliseconds, objectOf(env, binding, jurisdiction, name).deliver());
}

/** Rows as [column names, rows of values]. */
export async function query(database, sql, parameters) {
  const [columns, ...rows] = await database.prepare(sql).bind(...parameters).raw({ columnNames: true });
  return [columns ?? [], rows];
}

/** All statements or none: D1 runs a batch in one transaction. */
export async function commit(database, statements) {
  const results = await database.batch(
    statements.map(([sql, parameters]) => database.prepare(sql).bind(...parameters)),
  );
  if (counts.areWanted) for (const { meta } of results) counts.database_rows_written += meta.rows_written;
}
