//! The front door on Workers, and the Durable Objects: accounts and tenants' pools.
#![allow(unsafe_code, reason = "wasm-bindgen generates the exports")]

use crate::outbox;
use domain::account::Account;
use domain::tenant_pool::TenantPool;
use wasm_bindgen::prelude::wasm_bindgen;

platform_workers::front_door!(crate::handle);

// What `js/objects.mjs` runs.
platform_workers::machine_object!(AccountMachine, Account, outbox::of_account);
platform_workers::machine_object!(TenantPoolMachine, TenantPool, outbox::of_pool);

/// A fault for tests: what a bug would do.
#[wasm_bindgen]
pub fn panic_for_test() {
    panic!("a test asked for a panic");
}
