//! Running other programs, with visible progress and errors that say what to do.

#![allow(clippy::disallowed_methods, reason = "steps report how long they really took")]

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::paths;

/// A program to run in the repository's top folder.
pub fn program(name: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(paths::root());
    command
}

/// The cargo that runs us.
pub fn cargo(arguments: &[&str]) -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Runs to the end; its output is seen as it comes.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| could_not_start(command))?;
    if !status.success() {
        bail!("failed ({status}); to repeat only this: {}", shown(command));
    }
    Ok(())
}

/// Runs to the end; its output is seen only when it fails.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| could_not_start(command))?;
    if !output.status.success() {
        let Output { status, stdout, stderr } = output;
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        bail!("`{}` failed ({status}):\n{}", shown(command), said.trim_end());
    }
    Ok(())
}

/// What the program prints, trimmed; None where it is missing or fails.
pub fn answer_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Announces a step, does it, and says how long it took.
pub fn step<T>(name: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("▸ {name}");
    let start = Instant::now();
    let result = act()?;
    println!("  {name}: done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    if words[0].ends_with("/cargo") {
        words[0] = "cargo".to_owned();
    }
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn could_not_start(command: &Command) -> String {
    format!("`{}` could not be started", shown(command))
}
