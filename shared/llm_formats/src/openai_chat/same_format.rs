//! Chat completions from a client to a target that speaks them, too: the bytes pass. What is needed to
//! price a request is read in one scan, a few members are changed in place, and the answer is metered as
//! it goes by. Members that we do not know survive.

mod chunk;
mod close;
mod completion;
mod end;
mod messages;
mod meter;
mod passage;
mod priced_fields;
mod rewrite;
mod scan;

pub use close::closing;
pub use completion::{Completion, read_completion, usage_of_completion};
pub use end::DONE;
pub use meter::{EVENT_BYTES_MAX, Piece, StreamMeter, StreamOptions, UsageEvent};
pub use passage::ChatPassage;
pub use rewrite::{Ceiling, Edits};
pub use scan::ChatRequest;
