//! Headers, each read as what it is meant to be, or refused by its name. What cannot be read, and what comes twice where
//! one is meant, is never taken for absent.

use crate::{Problem, TEXT_MAX};
use http::{HeaderMap, HeaderValue};

/// Written out: `HeaderName::as_str` brings the names of all standard headers along, 3 KB of wasm.
const AUTHORIZATION: &str = "authorization";

/// A header that may come once, as text in UTF-8. For values that may contain commas; others are read by
/// [`comma_free_header`].
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(twice(name));
    }
    text(name, value).map(Some)
}

/// A header that may come once and whose value has no comma: an id, a key, a word. Some hosts join the values of a header
/// that came twice by a comma, so that only this way two can be told from one.
pub fn comma_free_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    match header(headers, name)? {
        Some(value) if value.contains(',') => Err(twice(name)),
        value => Ok(value),
    }
}

/// The elements of a header that is a list separated by commas, over however many lines; empty ones do not count.
pub fn list_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Vec<&'a str>, Problem> {
    let mut elements = Vec::new();
    for value in headers.get_all(name) {
        let value = text(name, value)?;
        elements.extend(value.split(',').map(str::trim).filter(|element| !element.is_empty()));
    }
    Ok(elements)
}

/// The token of `Authorization: Bearer …`. Another scheme is meant for somebody else.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let value = comma_free_header(headers, AUTHORIZATION)?;
    Ok(value.and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    }))
}

/// The caller's key: `Authorization: Bearer …` as OpenAI's clients send it, `x-api-key` as Anthropic's,
/// `api-key` as Azure's. An empty one is none; two that differ are refused, since nobody can say who is to pay.
pub fn bearer_or_api_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let places =
        [bearer(headers)?, comma_free_header(headers, "x-api-key")?, comma_free_header(headers, "api-key")?];
    let mut keys = places.into_iter().flatten().filter(|key| !key.is_empty());
    let first = keys.next();
    if keys.all(|key| Some(key) == first) { Ok(first) } else { Err(conflicting_keys()) }
}

/// The id under which the caller may repeat a request. It is of printable ASCII: what else it is read as depends on who
/// sends it and who passes it on.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let is_plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    match comma_free_header(headers, NAME)? {
        Some(id) if !(1..=TEXT_MAX).contains(&id.len()) || !is_plain(id) => {
            let message = format!(
                "The header `{NAME}` must be 1 to {TEXT_MAX} printable ASCII characters without a comma."
            );
            Err(Problem::invalid_field(NAME, message))
        }
        id => Ok(id),
    }
}

/// UTF-8 without control characters. Some hosts decode before we see the bytes; what they could not decode is then a
/// replacement character.
fn text<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str, Problem> {
    let unreadable = |c: char| c == char::REPLACEMENT_CHARACTER || (c.is_control() && c != '\t');
    match core::str::from_utf8(value.as_bytes()) {
        Ok(text) if !text.contains(unreadable) => Ok(text),
        _ => {
            let message = format!("The header `{name}` cannot be read. Send printable text in UTF-8.");
            Err(Problem::invalid_field(name, message))
        }
    }
}

fn twice(name: &str) -> Problem {
    let message = format!("The header `{name}` must come once, with one value that has no comma.");
    Problem::invalid_field(name, message)
}

fn conflicting_keys() -> Problem {
    Problem::bad_request(
        "conflicting_credentials",
        "`Authorization`, `x-api-key` and `api-key` name different keys. Send one of them.",
    )
    .about(AUTHORIZATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(entries: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_found_where_each_kind_of_client_puts_it() {
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc"),
            ("x-api-key", "abc"),
            ("api-key", "abc"),
        ] {
            let headers = headers(&[(name, value.as_bytes())]);
            assert_eq!(bearer_or_api_key(&headers).unwrap(), Some("abc"), "{name}: {value}");
        }
        assert_eq!(bearer_or_api_key(&HeaderMap::new()).unwrap(), None);
        let elsewhere = headers(&[("authorization", b"Basic dTpw"), ("x-api-key", b"abc"), ("api-key", b"")]);
        assert_eq!(bearer_or_api_key(&elsewhere).unwrap(), Some("abc"));
    }

    #[test]
    fn p30_keys_that_differ_are_refused_and_one_key_in_two_places_is_one() {
        let same = headers(&[("authorization", b"Bearer abc"), ("x-api-key", b"abc")]);
        assert_eq!(bearer_or_api_key(&same).unwrap(), Some("abc"));
        for (name, value) in [("x-api-key", "abd"), ("api-key", "abd")] {
            let both = headers(&[("authorization", b"Bearer abc"), (name, value.as_bytes())]);
            assert_eq!(bearer_or_api_key(&both).unwrap_err().code, "conflicting_credentials", "{name}");
        }
    }

    #[test]
    fn p30_what_cannot_be_read_is_not_absent() {
        for value in [&b"k\xe4"[..], b"\xff", "k\u{fffd}".as_bytes(), "k\u{85}".as_bytes()] {
            let headers = headers(&[("x-id", value), ("x-api-key", value), ("x-tags", value)]);
            assert_eq!(header(&headers, "X-Id").unwrap_err().param.as_deref(), Some("X-Id"));
            assert_eq!(comma_free_header(&headers, "x-id").unwrap_err().param.as_deref(), Some("x-id"));
            assert_eq!(list_header(&headers, "x-tags").unwrap_err().param.as_deref(), Some("x-tags"));
            assert_eq!(bearer_or_api_key(&headers).unwrap_err().param.as_deref(), Some("x-api-key"));
        }
        assert_eq!(header(&headers(&[("x-id", "k\u{e4}\t1".as_bytes())]), "x-id").unwrap(), Some("kä\t1"));
    }

    #[test]
    fn p30_what_comes_twice_where_one_is_meant_is_refused_however_the_host_shows_it() {
        for twice in [headers(&[("x-id", b"k1"), ("x-id", b"k1")]), headers(&[("x-id", b"k1, k1")])] {
            let problem = comma_free_header(&twice, "x-id").unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.param.as_deref()), (400, Some("x-id")));
        }
        for name in ["authorization", "x-api-key", "api-key"] {
            for value in [&b"Bearer a, Bearer a"[..], b"Bearer a, a"] {
                let problem = bearer_or_api_key(&headers(&[(name, value)])).unwrap_err();
                assert_eq!(problem.param.as_deref(), Some(name));
            }
            let problem =
                bearer_or_api_key(&headers(&[(name, b"Bearer a"), (name, b"Bearer a")])).unwrap_err();
            assert_eq!(problem.param.as_deref(), Some(name));
        }
    }

    #[test]
    fn a_list_may_come_in_several_lines() {
        let lines = headers(&[("x-tags", "team-a, Köln,,".as_bytes()), ("x-tags", b" b ")]);
        assert_eq!(list_header(&lines, "x-tags").unwrap(), ["team-a", "Köln", "b"]);
        assert_eq!(list_header(&lines, "x-none").unwrap(), Vec::<&str>::new());
    }
}
