//! Requests: from a client to a conversation, from a conversation to a target.

mod feature_names;
mod messages;
mod read;
mod vendor;
mod write;
mod write_messages;

pub use feature_names::name_of;
pub use read::read;
pub use write::write;
