//! Installs what the build and the tests need on a machine that has only rustup, Node ≥ 20,
//! Python ≥ 3.11 with pip, and a C compiler. Every tool is pinned and lands below `.tools` or
//! `node_modules`; what is there already is skipped.

use crate::local::HostKind;
use crate::paths;
use crate::process::{answer_of, cargo, program, run, run_quietly, step};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// How much is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To build and run natively: what compiled us.
    Native,
    /// To build and run on Spin's ABI: Rust alone.
    Spin,
    /// To build and run.
    Run,
    /// Also the tools that only `cargo xtask test` uses.
    Test,
}

/// For Workers, and for Spin.
pub const WASM_TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
const CARGO_DENY_VERSION: &str = "0.20.2";
const NODE_MAJOR_MIN: u32 = 20;
const PYTHON_MIN: (u32, u32) = (3, 11);

impl Scope {
    /// To build and run on this host.
    pub const fn to_run(host: HostKind) -> Self {
        match host {
            HostKind::Workers => Self::Run,
            HostKind::Spin => Self::Spin,
            HostKind::Native => Self::Native,
        }
    }
}

/// Brings the machine to where `scope` asks. Safe to repeat; takes well under a second when nothing is missing.
pub fn setup(scope: Scope) -> Result<()> {
    if scope == Scope::Native {
        return Ok(());
    }
    wasm_targets()?;
    if scope == Scope::Spin {
        return Ok(());
    }
    cargo_tool("wasm-bindgen", "wasm-bindgen-cli", &wasm_bindgen_version()?)?;
    npm_packages()?;
    if scope == Scope::Test {
        rustup_components()?;
        cargo_tool("cargo-deny", "cargo-deny", CARGO_DENY_VERSION)?;
        python_packages()?;
    }
    Ok(())
}

/// The standard library for WASM. `rust-toolchain.toml` lists it, but rustup may be told not to install by itself.
fn wasm_targets() -> Result<()> {
    let sysroot = answer_of(&mut program("rustc", &["--print", "sysroot"])).context(
        "rustc does not run here; install rustup, then run `rustup toolchain install` in this folder",
    )?;
    for target in WASM_TARGETS {
        if Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").exists() {
            continue;
        }
        step(&format!("Rust target {target}"), || {
            run(&mut program("rustup", &["target", "add", target]))
                .context("add the target to this folder's Rust toolchain by hand")
        })?;
    }
    Ok(())
}

fn rustup_components() -> Result<()> {
    let missing = |tool| answer_of(&mut cargo(&[tool, "--version"])).is_none();
    if !missing("fmt") && !missing("clippy") {
        return Ok(());
    }
    step("rustfmt and clippy", || run(&mut program("rustup", &["component", "add", "rustfmt", "clippy"])))
}

/// The `=x.y.z` after `wasm-bindgen` in Cargo.toml: the command and the crate must match exactly.
pub fn wasm_bindgen_version() -> Result<String> {
    let manifest = fs::read_to_string(paths::root().join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("wasm-bindgen = \"="));
    let version = line.and_then(|rest| rest.strip_suffix('"'));
    Ok(version.context("Cargo.toml no longer pins wasm-bindgen as `wasm-bindgen = \"=x.y.z\"`")?.to_owned())
}

fn cargo_tool(binary: &str, package: &str, version: &str) -> Result<()> {
    let installed = answer_of(&mut program(paths::tool(binary), &["--version"]));
    if installed.as_deref().and_then(|line| line.split_whitespace().nth(1)) == Some(version) {
        return Ok(());
    }
    step(&format!("{package} {version} (compiles; some minutes)"), || {
        let root = paths::tools();
        let root = root.to_str().context("the path of this folder is not UTF-8")?;
        run(&mut cargo(&[
            "install",
            package,
            "--version",
            version,
            "--bin",
            binary,
            "--locked",
            "--force",
            "--root",
            root,
        ]))
        .context("a C compiler and access to the crate registry are needed")
    })
}

fn npm_packages() -> Result<()> {
    let node = answer_of(&mut program("node", &["--version"])).unwrap_or_default();
    let major = node.trim_start_matches('v').split('.').next().and_then(|part| part.parse().ok());
    if major.is_none_or(|major: u32| major < NODE_MAJOR_MIN) {
        bail!("Node {NODE_MAJOR_MIN} or newer with npm is needed; found {}", or_none(&node));
    }
    let stamp = Stamp::of("npm", &["package.json", "package-lock.json"])?;
    if stamp.is_set() && paths::node().exists() {
        return Ok(());
    }
    step("npm packages", || {
        // No install script is needed, and npm may refuse to run them: everything comes in the packages themselves.
        run_quietly(&mut program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
            .context("npm must come with Node, and reach its registry")?;
        if !paths::node().exists() {
            bail!("npm left out {}: this platform has no pinned Node 22", paths::node().display());
        }
        stamp.set()
    })
}

fn python_packages() -> Result<()> {
    let requirements = "tests/clients/requirements.txt";
    let stamp = Stamp::of("python", &[requirements])?;
    let interpreter = paths::python();
    if stamp.is_set() && interpreter.exists() {
        return Ok(());
    }
    let version =
        answer_of(&mut program("python3", &["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]))
            .unwrap_or_default();
    if !is_at_least(&version, PYTHON_MIN) {
        bail!(
            "Python {}.{} or newer is needed as `python3`; found {}",
            PYTHON_MIN.0,
            PYTHON_MIN.1,
            or_none(&version)
        );
    }
    step("Python packages", || {
        let folder = paths::tools().join("python");
        let (folder, interpreter) = (folder.to_string_lossy(), interpreter.to_string_lossy());
        // The outer pip installs into it: `ensurepip`, which a full environment needs, is a package of its own on Debian.
        run_quietly(&mut program("python3", &["-m", "venv", "--clear", "--without-pip", &folder]))?;
        run_quietly(&mut program(
            "python3",
            &["-m", "pip", "--python", &interpreter, "install", "--quiet", "--requirement", requirements],
        ))
        .context("pip 22.3 or newer is needed (`python3 -m pip install --upgrade pip`)")?;
        stamp.set()
    })
}

fn is_at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((parts.next(), parts.next()), (Some(major), Some(minor)) if (major, minor) >= wanted)
}

fn or_none(version: &str) -> &str {
    if version.is_empty() { "none" } else { version }
}

/// A note that a step was done for exactly these inputs.
struct Stamp {
    file: std::path::PathBuf,
    digest: String,
}

impl Stamp {
    fn of(name: &str, inputs: &[&str]) -> Result<Self> {
        let mut hash = Sha256::new();
        for input in inputs {
            hash.update(fs::read(paths::root().join(input)).with_context(|| (*input).to_owned())?);
        }
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: paths::tools().join(format!("{name}.stamp")), digest })
    }

    fn is_set(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|found| found == self.digest)
    }

    fn set(&self) -> Result<()> {
        fs::create_dir_all(paths::tools())?;
        Ok(fs::write(&self.file, &self.digest)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_matches_the_pinned_crate() {
        let version = wasm_bindgen_version().unwrap();
        assert_eq!(version.split('.').count(), 3, "{version}");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(
            is_at_least("3.11", PYTHON_MIN)
                && is_at_least("3.13", PYTHON_MIN)
                && is_at_least("4.0", PYTHON_MIN)
        );
        assert!(
            !is_at_least("3.9", PYTHON_MIN)
                && !is_at_least("", PYTHON_MIN)
                && !is_at_least("2.7", PYTHON_MIN)
        );
    }
}
