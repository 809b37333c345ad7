//! Machine code of components, kept beside them: compiling takes seconds, and the black-box suite starts often.

#![allow(
    unsafe_code,
    reason = "machine code is trusted: it lies in our own target folder, and only we write it"
)]

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// In front of kept machine code: what it was made from, and by which engine.
const KEY_BYTES: usize = 32;

/// The component's machine code, from an earlier start if that was the same component on the same engine.
pub fn load(engine: &Engine, wasm: &Path) -> Result<Component> {
    let kept = wasm.with_extension("cwasm");
    let bytes = std::fs::read(wasm)
        .with_context(|| format!("{} is missing; run `cargo xtask build --host spin`", wasm.display()))?;
    let key = key(engine, &bytes);
    if let Ok(file) = std::fs::read(&kept)
        && let Some(code) = file.strip_prefix(&key)
        // SAFETY: `keep` wrote the file, from this component. The engine refuses the code of another one once more.
        && let Ok(component) = unsafe { Component::deserialize(engine, code) }
    {
        return Ok(component);
    }
    let failed = |error: wasmtime::Error| anyhow!("{}: {error:#}", wasm.display());
    let component = Component::from_binary(engine, &bytes).map_err(failed)?;
    keep(&[&key, component.serialize().map_err(failed)?.as_slice()].concat(), &kept)?;
    Ok(component)
}

/// Of the component's bytes, and of the engine: its version, its settings and the processor.
fn key(engine: &Engine, wasm: &[u8]) -> [u8; KEY_BYTES] {
    let mut compatible = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatible);
    let digest = Sha256::new().chain_update(compatible.finish().to_le_bytes()).chain_update(wasm);
    digest.finalize().into()
}

/// There whole or not at all: another host may be reading the old one.
fn keep(code: &[u8], file: &Path) -> Result<()> {
    let unfinished = file.with_extension(format!("cwasm-of-{}", std::process::id()));
    std::fs::write(&unfinished, code).with_context(|| unfinished.display().to_string())?;
    Ok(std::fs::rename(unfinished, file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest components: `\0asm` and the version; the second has an empty custom section called "x".
    const COMPONENTS: [&[u8]; 2] = [b"\0asm\x0d\0\x01\0", b"\0asm\x0d\0\x01\0\0\x02\x01x"];

    #[test]
    fn kept_code_is_used_for_the_same_component_only_whatever_the_files_times() {
        let engine = crate::instance::engine().unwrap();
        let folder = std::env::temp_dir().join(format!("spin-dev-host-compiled-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (wasm, kept) = (folder.join("a.wasm"), folder.join("a.cwasm"));
        let load_of = |component: &[u8]| {
            std::fs::write(&wasm, component).unwrap();
            load(&engine, &wasm).unwrap();
            std::fs::read(&kept).unwrap()
        };
        let first = load_of(COMPONENTS[0]);
        assert!(first.starts_with(&key(&engine, COMPONENTS[0])));
        assert_eq!(load_of(COMPONENTS[0]), first);
        let second = load_of(COMPONENTS[1]);
        assert!(second.starts_with(&key(&engine, COMPONENTS[1])));
        // As a build leaves it that restores older files: the kept code is the younger one.
        assert!(load_of(COMPONENTS[0]).starts_with(&key(&engine, COMPONENTS[0])));
        std::fs::write(&kept, b"damaged").unwrap();
        assert_eq!(load_of(COMPONENTS[0])[..KEY_BYTES], first[..KEY_BYTES]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
