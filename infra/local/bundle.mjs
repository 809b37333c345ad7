// Bundles one function: `node bundle.mjs <function>` turns target/workers/<function>/bindings (wasm-bindgen's output,
// shrunk) into target/workers/<function>/dist/{index.js,index_bg.wasm}.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { ownClasses, read } from "./wrangler_config.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const doors = path.join(root, "shared", "platform_workers", "js");
const fn = process.argv[2];
const folder = path.join(root, "target", "workers", fn);
const bindings = path.join(folder, "bindings");
const dist = path.join(folder, "dist");

/** Durable Object class → the module that holds it. */
const CLASS_MODULES = { Account: "objects.mjs", TenantPool: "objects.mjs" };

/** What the runtime is to find in the bundle: the front door, and the classes that this function owns. */
function entry() {
  const lines = [`export { default } from ${JSON.stringify(path.join(doors, "entry.mjs"))};`];
  for (const name of ownClasses(read(root, fn))) {
    if (!(name in CLASS_MODULES)) throw new Error(`no module is known for the class ${name}`);
    lines.push(`export { ${name} } from ${JSON.stringify(path.join(doors, CLASS_MODULES[name]))};`);
  }
  return lines.join("\n");
}

/** The shared modules say `bindings` and mean this function's own; its bindings say `workers-host` and mean theirs. */
const crossReferences = {
  name: "cross-references",
  setup(builder) {
    builder.onResolve({ filter: /^bindings$/ }, () => ({ path: path.join(bindings, "index_bg.js") }));
    builder.onResolve({ filter: /^workers-host$/ }, () => ({ path: path.join(doors, "host.mjs") }));
    // Rust frees its closures itself, at the latest when the future that awaits a promise is dropped. Registering
    // each for the garbage collector as well costs two registrations per await.
    builder.onLoad({ filter: /index_bg\.js$/ }, ({ path: file }) => {
      const registry = "CLOSURE_DTORS = (typeof FinalizationRegistry === 'undefined')";
      const contents = fs.readFileSync(file, "utf8");
      if (!contents.includes(registry)) throw new Error(`${file}: wasm-bindgen's registry of closures has changed`);
      return { contents: contents.replace(registry, "CLOSURE_DTORS = (true)"), loader: "js" };
    });
    // The WebAssembly stays a module of its own: the platform compiles it once, when the function is uploaded.
    builder.onResolve({ filter: /^bindings\.wasm$/ }, () => ({ path: "./index_bg.wasm", external: true }));
  },
};

fs.rmSync(dist, { recursive: true, force: true });
await build({
  stdin: { contents: entry(), resolveDir: folder, sourcefile: `${fn}.mjs` },
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  external: ["cloudflare:workers"],
  plugins: [crossReferences],
  outfile: path.join(dist, "index.js"),
  logLevel: "warning",
  // The front door names what only some functions have: a scheduled handler, an object's machine.
  logOverride: { "import-is-undefined": "silent" },
}).catch(() => process.exit(1)); // esbuild has said why
fs.copyFileSync(path.join(bindings, "index_bg.wasm"), path.join(dist, "index_bg.wasm"));
