//! Requests of clients.

mod blocks;
mod feature_names;
mod read;

pub use feature_names::name_of;
pub use read::{read, read_to_count};
