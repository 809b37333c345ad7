// Reads infra/workers/<function>/wrangler.jsonc, the one description of what each function is bound to.
// A key this file does not know is an error: the local host must never silently differ from what is deployed.
import fs from "node:fs";
import path from "node:path";
import { parse, printParseErrorCode } from "jsonc-parser";

export const FUNCTIONS = ["proxy", "billing", "admin-api", "cron-reset", "stripe-webhook"];

/** Keys with a meaning on the local host; everything listed is read somewhere in this folder. */
const USED = [
  "name",
  "main",
  "compatibility_date",
  "compatibility_flags",
  "d1_databases",
  "durable_objects",
  "migrations",
  "triggers",
  "vars",
  "secrets",
];
/** Keys that change only how a function is deployed or watched. */
const DEPLOYMENT_ONLY = ["$schema", "no_bundle", "observability", "workers_dev", "preview_urls", "routes", "placement"];
/** The known keys of each nested object, by its place in the file. */
const NESTED = {
  d1_databases: ["binding", "database_name", "database_id", "migrations_dir", "migrations_table"],
  "durable_objects.bindings": ["name", "class_name", "script_name"],
  migrations: ["tag", "new_sqlite_classes"],
};

/** The parsed wrangler.jsonc of every function, in the order of FUNCTIONS, each with `fn` and `folder` added. */
export function readAll(root) {
  return FUNCTIONS.map((fn) => read(root, fn));
}

/**
 * @returns the parsed file plus `fn` (the function's name in this repository), `folder` (where the file is) and
 * `optionalSecrets` (what the function may have besides `secrets.required`)
 */
export function read(root, fn) {
  const folder = path.join(root, "infra", "workers", fn);
  const file = path.join(folder, "wrangler.jsonc");
  const errors = [];
  const config = parse(fs.readFileSync(file, "utf8"), errors, { allowTrailingComma: true });
  if (errors.length > 0) {
    throw new Error(`${file}: ${printParseErrorCode(errors[0].error)} at offset ${errors[0].offset}`);
  }
  refuseUnknown(file, "", config, [...USED, ...DEPLOYMENT_ONLY]);
  for (const [place, known] of Object.entries(NESTED)) {
    const items = place.split(".").reduce((value, key) => value?.[key], config) ?? [];
    for (const item of items) refuseUnknown(file, `${place}.`, item, known);
  }
  refuseUnknown(file, "durable_objects.", config.durable_objects ?? {}, ["bindings"]);
  refuseUnknown(file, "triggers.", config.triggers ?? {}, ["crons"]);
  refuseUnknown(file, "secrets.", config.secrets ?? {}, ["required"]);
  return { ...config, fn, folder, optionalSecrets: optionalSecrets(root)[fn] };
}

/** By function, what it may have besides the secrets that it requires. */
function optionalSecrets(root) {
  return JSON.parse(fs.readFileSync(path.join(root, "infra", "workers", "optional_secrets.json"), "utf8"));
}

/** The Durable Object classes that this function's own script must export. */
export function ownClasses(config) {
  return (config.migrations ?? []).flatMap((migration) => migration.new_sqlite_classes ?? []);
}

function refuseUnknown(file, place, object, known) {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) {
      throw new Error(`${file}: "${place}${key}" is unknown to the local host; teach infra/local what it means`);
    }
  }
}
