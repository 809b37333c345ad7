//! What components ask of their host, and offer it: they load on every host that has these interfaces.

use crate::{compiled, instance};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;

/// Prints the union over all files, sorted, a line each: `import wasi:http/types@0.2.0`.
pub fn print(files: impl Iterator<Item = String>) -> Result<()> {
    let engine = instance::engine()?;
    let mut lines = BTreeSet::new();
    for file in files {
        // The machine code is kept, so that the first start is quick.
        let component = compiled::load(&engine, Path::new(&file))?;
        let shape = component.component_type();
        lines.extend(shape.imports(&engine).map(|(name, _)| format!("import {name}")));
        lines.extend(shape.exports(&engine).map(|(name, _)| format!("export {name}")));
    }
    for line in lines {
        println!("{line}");
    }
    Ok(())
}
