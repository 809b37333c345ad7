//! A message's events.

mod writer;

pub use writer::Writer;
