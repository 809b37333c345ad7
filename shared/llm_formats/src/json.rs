//! Reading JSON in one pass, strictly, without building it.
//!
//! Why not serde_json: a body is forwarded byte for byte except for a few members, so every member's
//! byte range is needed, and so are repeated keys and the length of each text. A cursor gives these in
//! one pass without an allocation, in a tenth of the code size, and walks a stream's events as well.
//! Tests hold it against serde_json: both accept exactly the same documents.

mod cursor;
mod number;
mod text;
mod write;

pub use cursor::JsonError;
pub(crate) use cursor::{Cursor, Kind};
pub(crate) use number::whole;
pub(crate) use text::{Text, find_byte};
pub(crate) use write::push_string;
