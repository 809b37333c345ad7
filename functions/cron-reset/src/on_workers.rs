//! The front door on Workers, and the scheduler's.
#![allow(unsafe_code, reason = "wasm-bindgen generates the exports")]

use platform_workers::host::{Context, Env};
use platform_workers::{WorkersPlatform, in_call};
use wasm_bindgen::prelude::wasm_bindgen;

platform_workers::front_door!(crate::handle);

#[wasm_bindgen]
pub async fn scheduled(call: u32, cron: String, env: Env, context: Context) {
    let platform = WorkersPlatform::new(env, context);
    in_call(call, crate::scheduled(&platform, &cron)).await;
}
