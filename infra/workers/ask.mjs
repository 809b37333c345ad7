// Sends one request, for the smoke test of a deployment: {method, url, body} comes as JSON on stdin, so that nothing of it
// stands in a list of processes; {status, body} or {error} goes to stdout.
import fs from "node:fs";

const TIMEOUT_MS = 20_000;

const { method, url, body } = JSON.parse(fs.readFileSync(0, "utf8"));
const headers = body === null ? {} : { "content-type": "application/json" };
const signal = AbortSignal.timeout(TIMEOUT_MS);
const outcome = await fetch(url, { method, headers, body, redirect: "manual", signal }).then(
  async (response) => ({ status: response.status, body: await response.text() }),
  (error) => ({ error: error.cause?.message ?? error.message }),
);
process.stdout.write(JSON.stringify(outcome));
