//! The Spin room: keeps the boundary's promises on Fermyon's runtime, as a `wasm32-wasip2` component.
//!
//! An instance lives for one request and remembers nothing: whatever must last lies in SQLite.

// Text alone, so that it is proved natively; everything else needs the host.
#[cfg(any(target_os = "wasi", test))]
mod ledger_sql;

#[cfg(target_os = "wasi")]
mod alarms;
#[cfg(target_os = "wasi")]
mod answers;
#[cfg(target_os = "wasi")]
mod database_sqlite;
#[cfg(target_os = "wasi")]
mod delivery;
#[cfg(target_os = "wasi")]
mod executor;
#[cfg(target_os = "wasi")]
mod front_door;
#[cfg(target_os = "wasi")]
mod outgoing_body;
#[cfg(target_os = "wasi")]
mod spin_platform;
#[cfg(target_os = "wasi")]
mod sqlite;
#[cfg(target_os = "wasi")]
mod state_rows;
#[cfg(target_os = "wasi")]
mod test_hooks;
#[cfg(target_os = "wasi")]
mod upstream_wasi_http;

#[cfg(target_os = "wasi")]
pub use alarms::Rung;
#[cfg(target_os = "wasi")]
pub use front_door::serve;
#[cfg(target_os = "wasi")]
pub use spin_platform::SpinPlatform;
