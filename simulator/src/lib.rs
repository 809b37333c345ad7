//! A deterministic world for the product: many accounts, proxies' hosts, upstreams, the scheduler and the
//! database under one virtual clock and one seed. The functions and the state machines are the real ones;
//! everything they ask of their host is simulated, and goes wrong. `docs/simulator.md` says how to use it.

mod actors;
mod checks;
mod dice;
mod hosts;
pub mod mutants;
pub mod profile;
mod run;
mod setting;
mod statistics;
mod sweep;
mod trace;
mod world;

pub use run::Outcome;
pub use statistics::Counts;
pub use sweep::{Failure, Report, Sweep};
