//! What components ask of their host, and offer it: they load on every host that has these interfaces.

use anyhow::{Result, anyhow};
use std::collections::BTreeSet;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Prints the union over all files, sorted, a line each: `import wasi:http/types@0.2.0`.
pub fn print(files: impl Iterator<Item = String>) -> Result<()> {
    let engine = Engine::default();
    let mut lines = BTreeSet::new();
    for file in files {
        let component = Component::from_file(&engine, &file).map_err(|error| anyhow!("{file}: {error:#}"))?;
        let shape = component.component_type();
        lines.extend(shape.imports(&engine).map(|(name, _)| format!("import {name}")));
        lines.extend(shape.exports(&engine).map(|(name, _)| format!("export {name}")));
    }
    for line in lines {
        println!("{line}");
    }
    Ok(())
}
