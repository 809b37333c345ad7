//! The Spin room: keeps the boundary's promises on Fermyon's runtime, as a `wasm32-wasip2` component.
//!
//! An instance lives for one request and remembers nothing: whatever must last lies in SQLite.

#![cfg(target_os = "wasi")]

mod alarms;
mod database_sqlite;
mod delivery;
mod executor;
mod front_door;
mod outgoing_body;
mod spin_platform;
mod sqlite;
mod state_rows;
mod test_hooks;
mod upstream_wasi_http;

pub use front_door::serve;
pub use spin_platform::SpinPlatform;
