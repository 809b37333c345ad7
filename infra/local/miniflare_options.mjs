// Translates the wrangler.jsonc files into options of Miniflare, so that all functions run in one workerd.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ownClasses, readAll } from "./wrangler_config.mjs";

const HOST = "127.0.0.1";
const FRONT = fileURLToPath(new URL("front.mjs", import.meta.url));
/** The function that owns the shared port, and the names under which front.mjs reaches the others. */
const FRONT_FUNCTION = "proxy";
export const FRONT_BINDINGS = {
  billing: "LOCAL_BILLING",
  "admin-api": "LOCAL_ADMIN_API",
  "cron-reset": "LOCAL_CRON_RESET",
  "stripe-webhook": "LOCAL_STRIPE_WEBHOOK",
};

/**
 * @param run what xtask sends (see run.mjs)
 * @param nodeSide what this process answers: `devRequest` those below /__dev/, undefined where the host has no such
 *   routes; `isOpen` whether the host may say that it is healthy, 204 or 503
 * @returns the options, and the wrangler configurations they came from
 */
export function miniflareOptions(run, nodeSide) {
  const configs = readAll(run.root);
  const classOwner = (name) => configs.find((config) => config.name === name);
  const workers = configs.map((config) => functionOptions(run, config, classOwner));
  const front = workers.find((worker) => worker.name === nameOf(configs, FRONT_FUNCTION));
  putInFront(front, run, configs, nodeSide);
  workers.push(...(run.extraWorkers ?? []).map((extra) => extraOptions(extra, front.compatibilityDate)));
  const shared = {
    // Off: it would be fetched from the network.
    cf: false,
    host: HOST,
    port: 0,
    d1Persist: path.join(run.stateDir, "d1"),
    durableObjectsPersist: path.join(run.stateDir, "do"),
    handleRuntimeStdio(stdout, stderr) {
      // Our own stdout carries answers to xtask.
      stdout.pipe(process.stderr, { end: false });
      stderr.pipe(process.stderr, { end: false });
    },
  };
  return { options: { ...shared, workers: [front, ...workers.filter((worker) => worker !== front)] }, configs };
}

function nameOf(configs, fn) {
  return configs.find((config) => config.fn === fn).name;
}

function functionOptions(run, config, configNamed) {
  const main = path.resolve(config.folder, config.main);
  return {
    name: config.name,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags ?? [],
    modules: modulesBeside(main),
    bindings: plainBindings(run, config),
    // The database's name serves as its id: the same for all, so that all share one.
    d1Databases: Object.fromEntries((config.d1_databases ?? []).map((db) => [db.binding, db.database_name])),
    durableObjects: Object.fromEntries(
      (config.durable_objects?.bindings ?? []).map((binding) => {
        const owner = binding.script_name ? configNamed(binding.script_name) : config;
        if (!owner || !ownClasses(owner).includes(binding.class_name)) {
          throw new Error(`${config.fn}: no function declares the class ${binding.class_name} of "${binding.name}"`);
        }
        return [
          binding.name,
          { className: binding.class_name, scriptName: binding.script_name, useSQLite: true },
        ];
      }),
    ),
  };
}

/** The bundle and the WebAssembly beside it; the first module is the entry point. */
function modulesBeside(main) {
  const folder = path.dirname(main);
  const wasm = fs.readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  return [
    { type: "ESModule", path: path.basename(main), contents: fs.readFileSync(main, "utf8") },
    ...wasm.map((name) => ({ type: "CompiledWasm", path: name, contents: fs.readFileSync(path.join(folder, name)) })),
  ];
}

/** Variables with the local overrides, secrets (only those that the function declares), and the test hook. */
function plainBindings(run, config) {
  const bindings = { ...config.vars };
  for (const [name, value] of Object.entries(run.vars ?? {})) {
    if (name in bindings) bindings[name] = value;
  }
  for (const name of config.secrets?.required ?? []) {
    if (!(name in run.secrets)) throw new Error(`${config.fn}: no value for the secret ${name}`);
    bindings[name] = run.secrets[name];
  }
  for (const name of config.optionalSecrets) {
    if (name in run.secrets) bindings[name] = run.secrets[name];
  }
  if (run.testHooks !== undefined && run.testHooks !== null) bindings.TEST_HOOKS = run.testHooks;
  return bindings;
}

/** Makes `worker` answer on the shared port: its own routes at once, the others over service bindings. */
function putInFront(worker, run, configs, { devRequest, isOpen }) {
  worker.modules.unshift({ type: "ESModule", path: "front.mjs", contents: fs.readFileSync(FRONT, "utf8") });
  worker.serviceBindings = Object.fromEntries(
    Object.entries(FRONT_BINDINGS).map(([fn, binding]) => [binding, nameOf(configs, fn)]),
  );
  worker.serviceBindings.LOCAL_OPEN = isOpen;
  if (devRequest) worker.serviceBindings.LOCAL_DEV = devRequest;
  worker.unsafeDirectSockets = [{ host: HOST, port: run.port }];
}

/** A plain JavaScript worker beside the functions, on its own port: what the benchmark compares with. */
function extraOptions(extra, compatibilityDate) {
  return {
    name: extra.name,
    compatibilityDate,
    modules: [{ type: "ESModule", path: path.basename(extra.script), contents: fs.readFileSync(extra.script, "utf8") }],
    bindings: extra.vars ?? {},
    unsafeDirectSockets: [{ host: HOST, port: extra.port ?? 0 }],
  };
}
