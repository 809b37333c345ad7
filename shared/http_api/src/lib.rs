//! HTTP as our functions speak it: problems, requests at the door, answers.

mod answer;
mod failure;
mod fields;
mod problem;
mod request;

pub use answer::{json, json_bytes};
pub use failure::{Failure, REQUEST_ID, check_body_size, finish, healthy, new_request_id, segments};
pub use fields::{Fields, LIST_MAX, TEXT_MAX};
pub use problem::{Problem, ProblemShape, rate_limit_headers};
pub use request::{bearer_or_api_key, header, percent_decoded, query_parameter};

/// Larger bodies are refused with 413.
pub const BODY_BYTES_MAX: usize = 8 << 20;
