//! The rules, without I/O: what a call costs, who may make it, and what an account remembers.
//!
//! Nothing here knows a clock, a network or a host: time and chance arrive as arguments, so every
//! rule runs natively in microseconds.

pub mod account;
pub mod api_key;
pub mod civil_time;
pub mod delivery;
pub mod destination;
pub mod email_address;
pub mod host_clocks;
pub mod identity;
mod instant_text;
pub mod lease;
pub mod money;
pub mod notice;
pub mod outbound_hosts;
pub mod password;
pub mod price;
pub mod provider_key;
pub mod rate_limit;
pub mod reconciliation;
pub mod routing;
pub mod state_machine;
pub mod stripe_signature;
pub mod tenant_pool;
pub mod threshold_message;
pub mod time;
pub mod time_zone;
pub mod webhook_address;
pub mod webhook_signature;
