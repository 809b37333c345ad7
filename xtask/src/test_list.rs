//! `cargo xtask test --list`: the tests by the promise they prove, read from their names (`p01_…`).

use crate::paths;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The folders that hold Rust sources of ours.
const SOURCES: [&str; 6] = ["functions", "infra", "shared", "simulator", "tests", "xtask"];

pub fn print() -> Result<()> {
    let mut by_promise: BTreeMap<Option<u32>, Vec<String>> = BTreeMap::new();
    for folder in SOURCES {
        collect(&paths::root().join(folder), &mut by_promise)?;
    }
    let others = by_promise.remove(&None).unwrap_or_default();
    for (promise, tests) in &by_promise {
        println!("P{}", promise.unwrap_or_default());
        tests.iter().for_each(|test| println!("  {test}"));
    }
    println!("other tests");
    others.iter().for_each(|test| println!("  {test}"));
    Ok(())
}

fn collect(folder: &Path, by_promise: &mut BTreeMap<Option<u32>, Vec<String>>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, by_promise)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let place = path.strip_prefix(paths::root())?.display().to_string();
            for name in test_names(&fs::read_to_string(&path)?) {
                by_promise.entry(promise_of(&name)).or_default().push(format!("{name}  ({place})"));
            }
        }
    }
    Ok(())
}

/// The functions below an attribute that ends in `test]` or `test(…)]`.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            let attribute = line.trim_start_matches("#[").trim_end_matches(']');
            let path = attribute.split(['(', ' ', '=']).next().unwrap_or_default();
            marked |= path.rsplit("::").next() == Some("test");
        } else if let Some((_, rest)) = line.split_once("fn ") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if std::mem::take(&mut marked) {
                names.push(name);
            }
        }
    }
    names
}

/// 1 for `p01_…`; None for a test that proves no promise by its name.
fn promise_of(name: &str) -> Option<u32> {
    let (digits, _) = name.strip_prefix('p')?.split_once('_')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_the_source_by_promise() {
        let source = "#[test]\nfn p01_no_overspend() {}\nfn helper() {}\n\
                      #[tokio::test(flavor = \"x\")]\n/// why\nasync fn p12_integer_money() {}\n#[cfg(test)]\nfn no() {}";
        let names = test_names(source);
        assert_eq!(names, ["p01_no_overspend", "p12_integer_money"]);
        assert_eq!(names.iter().map(|name| promise_of(name)).collect::<Vec<_>>(), [Some(1), Some(12)]);
        assert_eq!(promise_of("page_is_short"), None);
    }
}
