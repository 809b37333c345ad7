//! Headers as hosts hand them over.

use http::HeaderValue;

/// Not UTF-8.
const UNREADABLE: &[u8] = b"\xff";

/// A request's header value as it came. What is none, such as one with control characters, which some hosts let pass,
/// stands as one that nobody can read, so that whoever asks for the header refuses it and does not take it for absent.
pub fn header_value(bytes: &[u8]) -> HeaderValue {
    let unreadable = || HeaderValue::from_bytes(UNREADABLE).expect("bytes above 0x7f are allowed");
    HeaderValue::from_bytes(bytes).unwrap_or_else(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p30_a_value_that_is_none_is_unreadable_and_not_absent() {
        for fine in [&b"a"[..], "Köln".as_bytes(), b"a\tb", b"\xe4", b""] {
            assert_eq!(header_value(fine).as_bytes(), fine);
        }
        for wrong in [&b"a\x01b"[..], b"a\x7fb", b"a\nb"] {
            assert!(core::str::from_utf8(header_value(wrong).as_bytes()).is_err());
        }
    }
}
