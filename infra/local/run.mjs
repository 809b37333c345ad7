// Runs the five functions in one workerd. Started by xtask (xtask/src/local), which speaks JSON lines with it:
//
//   in   first line: the run (see below); then commands: {"open":true} once the demo user is there too, {"trigger":"cron"}
//   out  {"ready":true,"workerd_pid":…,"ports":{"front":…,"<extra worker>":…},"migrations":[…]} or {"error":"…"};
//        then one answer per command: {"opened":true}, {"triggered":"cron"} or {"error":"…"}
//
// Until it is opened, the host answers questions for its health with 503.
//
// The run: { root, stateDir, port, secrets: {NAME: value}, vars: {NAME: value}, testHooks: string|null,
//            devRoutes: bool, endsWithCaller: bool (no host of this kind does),
//            extraWorkers: [{name, script, port, vars}], seed: [{sql, params}] }
// It ends, and workerd with it, when stdin closes or on SIGINT and SIGTERM. Logs go to stderr.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare, MiniflareCoreError, Response } from "miniflare";
import workerd from "workerd";
import { migrate, seed } from "./database.mjs";
import { miniflareOptions } from "./miniflare_options.mjs";

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Miniflare's own messages, on stderr. */
class StderrLog extends Log {
  log(message) {
    process.stderr.write(`${message}\n`);
  }
}

/**
 * Kills workerd if this process dies without saying so: the child sees its stdin close and nothing on it.
 * @returns a function that ends the watch
 */
function watchOverWorkerd(pidFile) {
  const script = 'read -r _ || kill -9 "$(cat "$0")" 2>/dev/null; rm -f "$0"';
  const watchdog = spawn("sh", ["-c", script, pidFile], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.unref();
  return () => watchdog.stdin.end("stop\n");
}

async function start(run) {
  // Named for this process: a watchdog that comes late must never read the id of its successor's workerd.
  const pidFile = path.join(run.stateDir, `workerd-of-${process.pid}.pid`);
  process.env.WORKERD_PID_FILE = pidFile;
  process.env.WORKERD_BINARY = process.env.MINIFLARE_WORKERD_PATH ?? workerd.default;
  process.env.MINIFLARE_WORKERD_PATH = fileURLToPath(new URL("workerd.sh", import.meta.url));
  const stopWatching = watchOverWorkerd(pidFile);

  let host;
  const nodeSide = {
    devRequest: run.devRoutes ? (request) => answerDevRequest(host, request) : undefined,
    isOpen: () => new Response(null, { status: host?.open ? 204 : 503 }),
  };
  const { options, configs } = miniflareOptions(run, nodeSide);
  const mf = new Miniflare({ ...options, log: new StderrLog(LogLevel.WARN) });
  host = { mf, configs, stopWatching, open: false };
  try {
    await mf.ready;
    const migrations = await prepareDatabase(host, run);
    const workerdPid = Number(fs.readFileSync(pidFile, "utf8"));
    answer({ ready: true, workerd_pid: workerdPid, ports: await ports(host, run), migrations });
  } catch (error) {
    await stop(host);
    throw error;
  }
  return host;
}

/** The one that all functions share, and where its migrations are. */
async function database({ mf, configs }) {
  const { folder, name, d1_databases } = configs.find((config) => config.d1_databases?.length);
  const [{ binding, migrations_dir }] = d1_databases;
  return { db: await mf.getD1Database(binding, name), migrations: path.resolve(folder, migrations_dir) };
}

async function prepareDatabase(host, run) {
  const { db, migrations } = await database(host);
  const applied = await migrate(db, migrations);
  await seed(db, run.seed);
  return applied;
}

async function ports({ mf, configs }, run) {
  const front = configs.find((config) => config.fn === "proxy").name;
  const names = [["front", front], ...(run.extraWorkers ?? []).map(({ name }) => [name, name])];
  const found = await Promise.all(
    names.map(async ([label, worker]) => [label, Number((await mf.unsafeGetDirectURL(worker)).port)]),
  );
  return Object.fromEntries(found);
}

/** Runs the scheduled handler of every function that has a cron trigger, as the platform would now. */
async function triggerCron({ mf, configs }) {
  for (const { name, triggers } of configs) {
    for (const cron of triggers?.crons ?? []) {
      const worker = await mf.getWorker(name);
      const { outcome } = await worker.scheduled({ cron, scheduledTime: new Date() });
      if (outcome !== "ok") throw new Error(`the scheduled handler of ${name} ended with "${outcome}"; see the log`);
    }
  }
}

/** The newest mails that were captured instead of sent. */
async function outbox(host) {
  const { db } = await database(host);
  const { results } = await db.prepare("SELECT * FROM outbox_mails ORDER BY at DESC LIMIT 100").all();
  return { mails: results.map((mail) => ({ ...mail, at: new Date(mail.at).toISOString() })) };
}

/** Method and path below /__dev/ → what answers. */
const DEV_ROUTES = {
  "/__dev/trigger/cron": ["POST", (host) => triggerCron(host).then(() => ({ triggered: "cron" }))],
  "/__dev/outbox": ["GET", outbox],
};

async function answerDevRequest(host, request) {
  const [method, answer] = DEV_ROUTES[new URL(request.url).pathname] ?? [];
  if (method === undefined) return Response.json({ error: "no such route" }, { status: 404 });
  if (request.method !== method) return Response.json({ error: `use ${method}` }, { status: 405 });
  try {
    return Response.json(await answer(host));
  } catch (error) {
    return Response.json({ error: error.message }, { status: 500 });
  }
}

async function obey(host, line) {
  try {
    const command = JSON.parse(line);
    if (command.open === true) {
      host.open = true;
      return answer({ opened: true });
    }
    if (command.trigger !== "cron") throw new Error(`unknown command ${line}`);
    await triggerCron(host);
    answer({ triggered: "cron" });
  } catch (error) {
    answer({ error: error.message });
  }
}

async function stop({ mf, stopWatching }) {
  await mf.dispose().catch((error) => process.stderr.write(`${error.message}\n`));
  stopWatching();
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin });
  const input = lines[Symbol.asyncIterator]();
  const first = await input.next();
  if (first.done) return;
  const host = await start(JSON.parse(first.value));
  const end = () => lines.close();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  for await (const line of input) await obey(host, line);
  await stop(host);
}

main().then(
  () => process.exit(0),
  (error) => {
    answer({ error: error.message });
    // Miniflare has written what the runtime said; its own stack helps nobody.
    if (!(error instanceof MiniflareCoreError)) process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
