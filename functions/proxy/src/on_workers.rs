//! The front door on Workers.
#![allow(unsafe_code, reason = "wasm-bindgen generates the exports")]

platform_workers::front_door!(crate::handle);
