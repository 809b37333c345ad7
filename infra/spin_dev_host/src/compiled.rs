//! Machine code of components, kept beside them: compiling takes seconds, and the black-box suite starts often.

#![allow(
    unsafe_code,
    reason = "machine code is trusted: it lies in our own target folder, and only we write it"
)]

use anyhow::{Context, Result, anyhow};
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The component's machine code, from an earlier start if the component is no younger.
pub fn load(engine: &Engine, wasm: &Path) -> Result<Component> {
    let kept = wasm.with_extension("cwasm");
    let modified = |file: &Path| file.metadata().and_then(|metadata| metadata.modified());
    let built = modified(wasm)
        .with_context(|| format!("{} is missing; run `cargo xtask build --host spin`", wasm.display()))?;
    if modified(&kept).is_ok_and(|compiled| compiled >= built)
        // SAFETY: `keep` wrote the file. One of another version or configuration of the engine is refused.
        && let Ok(component) = unsafe { Component::deserialize_file(engine, &kept) }
    {
        return Ok(component);
    }
    let failed = |error: wasmtime::Error| anyhow!("{}: {error:#}", wasm.display());
    let component = Component::from_file(engine, wasm).map_err(failed)?;
    keep(&component.serialize().map_err(failed)?, &kept)?;
    Ok(component)
}

/// There whole or not at all: another host may be reading the old one.
fn keep(code: &[u8], file: &Path) -> Result<()> {
    let unfinished = file.with_extension(format!("cwasm-of-{}", std::process::id()));
    std::fs::write(&unfinished, code).with_context(|| unfinished.display().to_string())?;
    Ok(std::fs::rename(unfinished, file)?)
}
