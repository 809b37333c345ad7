// The door that every function opens to the Workers runtime: it hands a request to the function's wasm
// in one call, with the body read and the headers in one string, since each crossing costs time.
import module from "bindings.wasm";
import * as bindings from "bindings";
import * as host from "./host.mjs";
import { testHook } from "./test_hooks.mjs";

// Calls whose arguments need no translation go from wasm to host.mjs directly, the others by the bindings.
const instance = new WebAssembly.Instance(module, { "./index_bg.js": bindings, "workers-host": host });
bindings.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start?.();

const BODY_BYTES_MAX = bindings.body_bytes_max();
const NO_BODY = new Uint8Array(0);

/** On a host that all functions share, each one's health has its own path, such as /billing/health. */
const NAMED_HEALTH = /^(\w+:\/\/[^/]+)\/(?:billing|admin|webhooks|cron)\/health$/;

export default {
  async fetch(request, env, context) {
    if (env.TEST_HOOKS !== undefined) {
      const answer = testHook(request, env);
      if (answer !== undefined) return answer;
    }
    let body;
    try {
      body = request.body === null ? NO_BODY : await bodyOf(request);
    } catch {
      return failure(400, "invalid_request_error", "unreadable_body", "The request's body cannot be read to its end. Send it again.");
    }
    try {
      let headers = "";
      for (const [name, value] of request.headers) headers += `${name}\n${value}\n`;
      const answer = host.pendingCalls.run(
        (call) => bindings.fetch(call, request.method, urlOf(request), headers, body, env, context),
        request,
      );
      // A caller who leaves does not stop the work: what the provider bills has to be settled.
      context.waitUntil(answer);
      return await answer;
    } catch (error) {
      console.error("the request failed", error);
      return failure(500, "server_error", "internal_error", "Something went wrong on our side. Retry; if it stays, tell us the time.");
    }
  },

  async scheduled(controller, env, context) {
    try {
      await host.pendingCalls.run((call) => bindings.scheduled(call, controller.cron, env, context));
    } catch (error) {
      console.error("the scheduled run failed", error);
      throw error;
    }
  },
};

function urlOf({ url }) {
  return url.endsWith("/health") ? url.replace(NAMED_HEALTH, "$1/health") : url;
}

/** The whole body; of one that is too long a little more than the limit, so that it is seen to be. */
async function bodyOf(request) {
  const length = Number(request.headers.get("content-length") ?? NaN);
  if (length <= BODY_BYTES_MAX) return new Uint8Array(await request.arrayBuffer());
  const reader = request.body.getReader();
  const chunks = [];
  let total = 0;
  while (total <= BODY_BYTES_MAX) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    total += value.length;
  }
  if (total > BODY_BYTES_MAX) reader.cancel().catch(() => {});
  const body = new Uint8Array(Math.min(total, BODY_BYTES_MAX + 1));
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, body.length - at);
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** What a caller sees when wasm was not reached, or failed in a way that it could not describe. */
function failure(status, type, code, message) {
  return Response.json({ error: { message, type, param: null, code } }, { status });
}
