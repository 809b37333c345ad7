//! The Workers room: keeps the boundary's promises on Cloudflare's runtime, through a small JavaScript
//! side (`js/`) that does as much as possible in each crossing.

#![cfg(all(target_family = "wasm", target_os = "unknown"))]
#![allow(unsafe_code, reason = "wasm-bindgen generates the calls across the boundary")]

mod calls;
mod database_d1;
mod front_door;
pub mod host;
mod machine_object;
mod state_durable_object;
mod stream_relay;
mod upstream_fetch;
mod workers_platform;

pub use calls::{in_call, install_panic_hook};
pub use front_door::{Incoming, answer};
pub use machine_object::object_call;
pub use state_durable_object::{DeliveryError, DurableMachine};
pub use workers_platform::WorkersPlatform;
