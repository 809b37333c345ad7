//! HTTP as our functions speak it: problems, requests at the door, answers.

mod answer;
mod encoding;
mod failure;
mod fields;
mod header;
mod problem;
mod query;
mod strict_json;

pub use answer::{json, json_bytes};
pub use encoding::check_body;
pub use failure::{Failure, REQUEST_ID, finish, healthy, new_request_id, segments};
pub use fields::{Change, Fields, LIST_MAX, TEXT_MAX};
pub use header::{bearer, bearer_or_api_key, comma_free_header, header, idempotency_key, list_header};
pub use problem::{Problem, ProblemShape, rate_limit_headers};
pub use query::{Query, path_text};

use domain::time::Timestamp;

/// Larger bodies are refused with 413.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// The last instant that four digits of a year can write.
const LAST_INSTANT: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// RFC 3339, from 1970 to 9999 in UTC.
fn read_instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).filter(|at| (Timestamp::EPOCH..=LAST_INSTANT).contains(at))
}

/// A name that somebody else chose, as an answer shows it.
fn shortened(name: &str) -> String {
    const CHARS_MAX: usize = 64;
    match name.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
