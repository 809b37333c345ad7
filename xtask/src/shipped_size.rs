//! How large each function is as the platform counts it: JavaScript and WASM together, compressed.

use crate::paths::{self, FUNCTIONS};
use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;

/// The promise for the proxy, with all formats that it is to speak: below 450 KB compressed.
const PROXY_GZIP_BYTES_MAX: usize = 450_000;

/// Prints a table of all functions. Fails when the proxy is too large.
pub fn report() -> Result<()> {
    println!("\n  {:<16}{:>12}{:>12}{:>12}", "function", "raw", "gzip", "of it wasm");
    for function in FUNCTIONS {
        let (script_raw, script) = sizes(function, "index.js")?;
        let (wasm_raw, wasm) = sizes(function, "index_bg.wasm")?;
        let total = script + wasm;
        println!("  {function:<16}{:>12}{:>12}{:>12}", kb(script_raw + wasm_raw), kb(total), kb(wasm));
        if function == "proxy" && total > PROXY_GZIP_BYTES_MAX {
            bail!("the proxy is {} compressed; its limit is {}", kb(total), kb(PROXY_GZIP_BYTES_MAX));
        }
    }
    println!();
    Ok(())
}

/// Bytes as they are, and compressed.
fn sizes(function: &str, name: &str) -> Result<(usize, usize)> {
    let file = paths::worker_bundle(function).join(name);
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok((bytes.len(), encoder.finish()?.len()))
}

fn kb(bytes: usize) -> String {
    format!("{:.1} KB", bytes as f64 / 1000.0)
}
