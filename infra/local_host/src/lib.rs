//! What the local hosts in Rust have in common (`infra/spin_dev_host`, `infra/native_host`): how xtask speaks with them,
//! the directory's database, and which route wins.

pub mod directory;
pub mod protocol;
pub mod readiness;
pub mod routes;
