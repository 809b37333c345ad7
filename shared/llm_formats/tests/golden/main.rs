//! The golden table: each case stands once, as a conversation or an answer in no format (`cases`), and is
//! checked against every format's own words for it, in both directions, by the one table in `formats`.
//!
//! `fixtures/golden/<requests|answers|streams>/<case>/<format>.<client|target>.<json|sse|hex>`: what a client of
//! that format sends and gets, what a target of that format gets and sends. A case that a format has no
//! words for has no file; for targets `formats` then says which feature is refused.
//!
//! `BLESS=1 cargo test -p llm_formats --test golden` writes what writers now write; read the diff.

mod cases;
mod checks;
mod formats;

use formats::FORMATS;

#[test]
fn requests_are_read_from_every_client_format() {
    FORMATS.iter().for_each(checks::client_requests);
}

#[test]
fn requests_are_written_in_every_target_format() {
    FORMATS.iter().for_each(checks::target_requests);
}

#[test]
fn answers_are_read_from_every_target_format() {
    FORMATS.iter().for_each(checks::target_answers);
}

#[test]
fn answers_are_written_in_every_client_format() {
    FORMATS.iter().for_each(checks::client_answers);
}

#[test]
fn streams_are_read_from_every_target_format_wherever_they_are_cut() {
    FORMATS.iter().for_each(checks::target_streams);
}

#[test]
fn streams_are_written_in_every_client_format() {
    FORMATS.iter().for_each(checks::client_streams);
}
