//! The release components of all functions, and the development host that runs them here.

use crate::paths::{self, FUNCTIONS};
use crate::process::{self, cargo, program, run, step};
use anyhow::{Context, Result, bail};
use std::fs;

/// What the benchmark compares with.
pub const YARDSTICK: &str = "spin_pass_through";

/// Builds, checks what the components ask of their host, and prints their sizes.
pub fn build() -> Result<()> {
    step("components of all functions (release)", || {
        let mut command = cargo(&["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
        for package in FUNCTIONS.iter().chain([&YARDSTICK]) {
            command.args(["--package", package]);
        }
        run(&mut command)
    })?;
    step("development host for Spin's ABI", || {
        run(&mut cargo(&["build", "--quiet", "--package", "spin_dev_host"]))
    })?;
    step("imports and exports", check_interfaces)?;
    report()
}

/// A host of Spin 4.0 has everything in `infra/spin/imports.txt`.
fn check_interfaces() -> Result<()> {
    let listed_in = paths::root().join("infra/spin/imports.txt");
    let listed = fs::read_to_string(&listed_in).with_context(|| listed_in.display().to_string())?;
    let listed: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#')).collect();
    let mut command = program(paths::spin_dev_host(), &["imports"]);
    command.args(FUNCTIONS.map(paths::spin_component));
    let found = process::answer_of(&mut command).context("the components cannot be read")?;
    if let Some(line) = found.lines().find(|line| !listed.contains(line)) {
        bail!("a component has `{line}`, which infra/spin/imports.txt does not list: do all hosts have it?");
    }
    if let Some(line) = listed.iter().find(|line| !found.lines().any(|other| other == **line)) {
        bail!("no component has `{line}` any more; take it out of infra/spin/imports.txt");
    }
    Ok(())
}

fn report() -> Result<()> {
    println!("\n  {:<16}{:>12}", "component", "raw");
    for function in FUNCTIONS {
        let file = paths::spin_component(function);
        let bytes = fs::metadata(&file).with_context(|| file.display().to_string())?.len();
        println!("  {function:<16}{:>9.1} KB", bytes as f64 / 1000.0);
    }
    println!();
    Ok(())
}
