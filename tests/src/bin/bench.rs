//! `cargo xtask bench`: our proxy with budgets and logging on, beside a bare pass-through on the same runtime and the
//! provider itself, in one go and interleaved.
//!
//! Options: `--seconds N` for each measurement (default 6), `--rounds N` (3), `--connections 1,16,64`,
//! `--accounts 1,64`, `--only plain,stream,stream-with-usage,paced-stream,paced-stream-with-usage`.

use std::time::Duration;
use tests::bench::{Plan, SHAPES, Shape, run};

fn main() {
    let plan = plan(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(run(&plan));
    print!("{}", report.markdown());
    let folder = xtask::paths::cargo_target().join("bench");
    std::fs::create_dir_all(&folder).expect("a folder for the report");
    std::fs::write(folder.join("bench.json"), format!("{:#}\n", report.json())).expect("bench.json");
    std::fs::write(folder.join("bench.md"), report.markdown()).expect("bench.md");
    println!("\nWritten to {}/bench.{{md,json}}", folder.display());
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan::default();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or(format!("{option} needs a value"))?;
        let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
        let count = || number(&value).ok_or(format!("{option} {value}: not a positive number"));
        let counts = || {
            let list: Option<Vec<usize>> = value.split(',').map(number).collect();
            list.ok_or(format!("{option} {value}: numbers and commas"))
        };
        match option.as_str() {
            "--seconds" => plan.duration = Duration::from_secs(count()? as u64),
            "--rounds" => plan.rounds = u32::try_from(count()?).map_err(|error| error.to_string())?,
            "--accounts" => plan.accounts = counts()?,
            "--connections" => plan.connections = counts()?,
            "--only" => {
                let list: Option<Vec<Shape>> = value.split(',').map(Shape::named).collect();
                let names = SHAPES.map(Shape::name).join(", ");
                plan.shapes = list.ok_or(format!("--only {value}: some of {names}"))?;
            }
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(plan)
}
