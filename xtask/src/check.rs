//! `cargo xtask test`: everything that must hold before a change is merged, cheapest first.

use crate::local::HostKind;
use crate::paths::{self, FUNCTIONS};
use crate::process::{self, cargo, program, step};
use crate::{build, deploy, setup, test_list, tracked_secrets};
use anyhow::{Context, Result};
use std::process::Command;

/// Runs all checks; ends at the first that fails. With a filter only the tests whose names contain it.
pub fn run(filter: Option<&str>) -> Result<()> {
    setup::setup(setup::Scope::Test)?;
    if filter.is_none() {
        static_checks()?;
    }
    let mut native = cargo(&["test", "--quiet", "--workspace", "--exclude", "tests"]);
    check("native tests", native.args(filter))?;
    for (host, story) in [
        (HostKind::Native, "black-box tests, natively"),
        (HostKind::Workers, "black-box tests on workerd"),
        (HostKind::Spin, "black-box tests on Spin's ABI"),
    ] {
        build::build(host)?;
        let mut black_box = cargo(&["test", "--quiet", "--package", "tests"]);
        black_box
            .args(filter)
            .env("TEST_HOST", host.name())
            .env("NODE", paths::node())
            .env("PYTHON", paths::python());
        check(story, &mut black_box)?;
    }
    if filter.is_none() {
        step("deployment to Workers, as far as without an account", deploy::check)?;
    }
    println!("\nall checks passed");
    Ok(())
}

/// Prints the tests, by promise.
pub fn list() -> Result<()> {
    test_list::print()
}

fn static_checks() -> Result<()> {
    step("secrets in tracked files", tracked_secrets::scan)?;
    check("formatting", &mut cargo(&["fmt", "--all", "--", "--check"]))?;
    check(
        "lints",
        &mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    )?;
    for target in setup::WASM_TARGETS {
        let mut wasm_lints = cargo(&["clippy", "--quiet", "--target", target]);
        for function in FUNCTIONS {
            wasm_lints.args(["--package", function]);
        }
        check(&format!("lints of the functions as {target}"), wasm_lints.args(["--", "--deny", "warnings"]))?;
    }
    let deny = paths::tool("cargo-deny");
    check("licences and sources", &mut program(deny, &["check", "bans", "licenses", "sources"]))
}

fn check(name: &str, command: &mut Command) -> Result<()> {
    step(name, || process::run(command)).with_context(|| name.to_owned())
}
