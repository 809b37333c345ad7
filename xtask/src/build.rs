//! The release WASM of all functions: one cargo build, then for each function wasm-bindgen, wasm-opt
//! and esbuild. What `target/workers/<function>/dist` holds is what is deployed and what is tested.

use crate::local::HostKind;
use crate::paths::{self, FUNCTIONS};
use crate::process::{cargo, program, run, run_quietly, step};
use crate::{build_spin, setup, shipped_size};
use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What rustc emits for this target, and nothing newer: wasm-opt must not use what it was not given.
const WASM_FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Builds all functions for the host and, where they are deployed, prints their sizes.
pub fn build(host: HostKind) -> Result<()> {
    match host {
        HostKind::Workers => build_workers(),
        HostKind::Spin => build_spin::build(),
        HostKind::Native => step("native host", || {
            // As the native tests: a panic must not end the process, and most of it is compiled already.
            run(&mut cargo(&["build", "--quiet", "--package", "native_host"]))
        }),
    }
}

/// Fails when the proxy outgrew its limit.
fn build_workers() -> Result<()> {
    step("WASM of all functions (release)", compile)?;
    let stale: Vec<_> = FUNCTIONS.into_iter().filter(|function| !is_current(function)).collect();
    if !stale.is_empty() {
        step(&format!("bindings, shrinking, bundles: {}", stale.join(", ")), || finish_all(stale))?;
    }
    shipped_size::report()
}

/// An error that says what to do where a function has not been built.
pub fn require_built(host: HostKind) -> Result<()> {
    for function in FUNCTIONS {
        let (built, command) = match host {
            HostKind::Workers => (paths::worker_bundle(function).join("index.js"), "cargo xtask build"),
            HostKind::Spin => (paths::spin_component(function), "cargo xtask build --host spin"),
            HostKind::Native => (paths::native_host(), "cargo xtask build --host native"),
        };
        if !built.exists() {
            return Err(anyhow!("{} is missing; run `{command}`", built.display()));
        }
    }
    Ok(())
}

fn compile() -> Result<()> {
    let mut command = cargo(&["build", "--quiet", "--release", "--target", "wasm32-unknown-unknown"]);
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    run(&mut command)
}

/// Finishes functions side by side, as many as there are cores.
fn finish_all(functions: Vec<&str>) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(functions.into_iter());
    let next = || queue.lock().expect("no worker panics while it holds the queue").next();
    let worker = || -> Result<()> {
        while let Some(function) = next() {
            finish(function).with_context(|| function.to_owned())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|handle| handle.join().expect("a build step does not panic"))
    })
}

fn finish(function: &str) -> Result<()> {
    let bindings = paths::worker(function).join("bindings");
    if bindings.exists() {
        fs::remove_dir_all(&bindings)?;
    }
    run_quietly(
        program(
            paths::tool("wasm-bindgen"),
            &["--target", "bundler", "--no-typescript", "--out-name", "index"],
        )
        .arg("--out-dir")
        .arg(&bindings)
        .arg(compiled(function)),
    )?;
    let wasm = bindings.join("index_bg.wasm");
    let shrunk = bindings.join("index_bg.shrunk.wasm");
    run_quietly(
        program(paths::node(), &[])
            .arg(paths::node_modules().join("binaryen/bin/wasm-opt"))
            .arg("-Oz")
            .args(WASM_FEATURES)
            .arg(&wasm)
            .arg("--output")
            .arg(&shrunk),
    )?;
    fs::rename(shrunk, wasm)?;
    run_quietly(&mut program(paths::node(), &["infra/local/bundle.mjs", function]))?;
    Ok(fs::write(stamp(function), digest_of_inputs(function)?)?)
}

fn compiled(function: &str) -> PathBuf {
    let file = format!("{}.wasm", function.replace('-', "_"));
    paths::cargo_target().join("wasm32-unknown-unknown/release").join(file)
}

fn stamp(function: &str) -> PathBuf {
    paths::worker(function).join("inputs.sha256")
}

fn is_current(function: &str) -> bool {
    let built = paths::worker_bundle(function).join("index.js").exists();
    let recorded = fs::read_to_string(stamp(function)).ok();
    built && recorded.is_some() && recorded == digest_of_inputs(function).ok()
}

/// Everything that the steps after cargo read.
fn digest_of_inputs(function: &str) -> Result<String> {
    let root = paths::root();
    let mut inputs = vec![
        compiled(function),
        root.join("package-lock.json"),
        root.join("infra/local/bundle.mjs"),
        root.join("infra/local/wrangler_config.mjs"),
        paths::wrangler_config(function),
    ];
    inputs.extend(files_in(&root.join("shared/platform_workers/js"))?);
    let mut hash = Sha256::new();
    hash.update(setup::wasm_bindgen_version()?);
    WASM_FEATURES.iter().for_each(|feature| hash.update(feature));
    for input in inputs {
        hash.update(fs::read(&input).with_context(|| input.display().to_string())?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
