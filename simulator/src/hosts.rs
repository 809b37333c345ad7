//! What the functions and the machines run on, and what goes wrong with it.

pub mod database;
pub mod disasters;
pub mod executor;
pub mod hosted;
pub mod kinds;
pub mod machines;
pub mod mail;
pub mod network;
pub mod platform;
pub mod rows;
