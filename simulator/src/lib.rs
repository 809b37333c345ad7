//! A deterministic world for the product: many accounts, proxies' hosts, upstreams, the scheduler and the
//! database under one virtual clock and one seed. The functions and the state machines are the real ones;
//! everything they ask of their host is simulated, and goes wrong. `docs/simulator.md` says how to use it.

mod books;
mod broken_account;
mod broken_limits;
mod broken_pool;
mod broken_share;
mod calls;
mod clients;
mod database;
mod dice;
mod directory;
mod directory_verdict;
mod disasters;
mod executor;
mod hosted;
mod kinds;
mod levels;
mod limits;
mod machines;
mod mail;
pub mod mutants;
mod network;
mod operators;
mod outstanding;
mod pace;
mod platform;
mod pool_books;
pub mod profile;
mod receipts;
mod rows;
mod run;
mod scheduler;
mod script;
mod setting;
mod statistics;
mod sweep;
mod token_paces;
mod trace;
mod upstream;
mod verdict;
mod view;
mod world;

pub use run::Outcome;
pub use statistics::Counts;
pub use sweep::{Failure, Report, Sweep};
