//! The body as it arrives: how large, and in which coding.

use crate::{Problem, list_header};
use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, StatusCode};

const CONTENT_ENCODING: &str = "content-encoding";

/// Refuses a body that is too large, or compressed.
pub fn check_body(request: &Request<Bytes>, max: usize) -> Result<(), Problem> {
    if request.body().len() > max {
        return Err(Problem::body_too_large(max));
    }
    let codings = list_header(request.headers(), CONTENT_ENCODING)?;
    if codings.iter().all(|coding| coding.eq_ignore_ascii_case("identity")) || request.body().is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "invalid_request_error",
        "unsupported_content_encoding",
        "The body is compressed (`Content-Encoding`), which is not supported. Send it as it is, without that header.",
    )
    .about(CONTENT_ENCODING);
    problem.headers.push((ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(coding: Option<&str>, body: &'static str) -> Result<(), Problem> {
        let mut request = Request::builder();
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        check_body(&request.body(body.into()).unwrap(), 3)
    }

    #[test]
    fn p30_a_compressed_body_is_called_so_and_not_invalid_json() {
        for coding in ["gzip", "identity, gzip", "br", "x"] {
            let problem = check(Some(coding), "{}").unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code), (415, "unsupported_content_encoding"));
            assert_eq!(problem.param.as_deref(), Some("content-encoding"));
            assert_eq!(problem.headers, [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        }
        for coding in [None, Some("identity"), Some("Identity"), Some("")] {
            assert!(check(coding, "{}").is_ok(), "{coding:?}");
        }
        assert!(check(Some("gzip"), "").is_ok());
        assert_eq!(check(None, "1234").unwrap_err().status.as_u16(), 413);
    }
}
