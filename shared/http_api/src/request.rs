//! What a handler reads of a request besides its body.

use http::{HeaderMap, Uri, header::AUTHORIZATION};

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The caller's key: `Authorization: Bearer …` as OpenAI's clients send it, `x-api-key` as Anthropic's,
/// `api-key` as Azure's.
pub fn bearer_or_api_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| header(headers, "x-api-key")).or_else(|| header(headers, "api-key"))
}

/// A query parameter, percent-decoded.
pub fn query_parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A path segment, percent-decoded.
pub fn percent_decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_key_is_found_where_each_kind_of_client_puts_it() {
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc"),
            ("x-api-key", "abc"),
            ("api-key", "abc"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(bearer_or_api_key(&headers), Some("abc"), "{name}: {value}");
        }
        assert_eq!(bearer_or_api_key(&HeaderMap::new()), None);
    }

    #[test]
    fn query_parameters_are_decoded() {
        let uri: Uri = "/x?user=a%40b+c&q=100%&z".parse().unwrap();
        assert_eq!(query_parameter(&uri, "user").as_deref(), Some("a@b c"));
        assert_eq!(query_parameter(&uri, "q").as_deref(), Some("100%"));
        assert_eq!(query_parameter(&uri, "z").as_deref(), Some(""));
        assert_eq!(query_parameter(&uri, "none"), None);
    }
}
