//! Every command a developer types (`cargo xtask --help`), and the local host that runs the product:
//! the black-box suite starts the same one (`local::LocalHost`).

pub mod build;
pub mod build_spin;
pub mod check;
pub mod cli;
mod deploy;
pub mod dev;
pub mod local;
pub mod paths;
mod process;
pub mod secrets;
pub mod seed;
pub mod setup;
mod shipped_size;
mod test_list;
mod time_zones;
mod tracked_secrets;
