use crate::caller::{Caller, Scope as KeyScope};
use crate::usage_csv;
use crate::usage_filter;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_api::{Failure, Problem};
use platform::{Body, Platform, PlatformError, StreamError};
use store::usage_report::{self, Cursor, Filter, Page, Scope};

/// Rows in memory at a time.
const PAGE_ROWS: usize = 1_000;
/// Pages of one export, two questions to the database each: what one request may ask of its host.
const PAGES_MAX: usize = 450;
const PARAMETERS: &[&str] = &["format", "user_id", "tenant_id", "from", "to", "model", "kind", "tag"];

/// `GET /api/usage/export?format=csv` and the filters of `GET /api/usage`: all its rows as CSV, newest first.
/// The database is read while the caller reads. An export that fails midway, or is longer than [`PAGES_MAX`]
/// pages, breaks off without its end, so that nobody takes a part for the whole.
pub async fn export(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let (caller, query) = Caller::asking(platform, request, KeyScope::UsageRead, PARAMETERS).await?;
    if query.get("format").is_some_and(|format| format != "csv") {
        return Err(Problem::invalid_field("format", "`format` must be `csv`.").into());
    }
    let filter = usage_filter::filter(&query)?;
    let scope = usage_filter::scope(platform, &caller, &query).await?;
    let first = usage_report::page(platform, &scope, &filter, None, PAGE_ROWS).await?;
    let next = Next::Read(first);
    let export = Export { platform: platform.clone(), scope, filter, next, pages: 0 };
    let mut response = Response::new(Body::stream(export.stream()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\""));
    Ok(response)
}

struct Export<P> {
    platform: P,
    scope: Scope,
    filter: Filter,
    next: Next,
    pages: usize,
}

enum Next {
    Read(Page),
    After(Cursor),
}

impl<P: Platform> Export<P> {
    fn stream(self) -> LocalBoxStream<'static, Result<Bytes, StreamError>> {
        let heading = stream::iter([Ok(Bytes::from_static(usage_csv::HEADING.as_bytes()))]);
        heading.chain(stream::unfold(Some(self), |export| async { export?.step().await })).boxed_local()
    }

    /// One page: read when it is wanted, passed on, forgotten.
    async fn step(self) -> Option<(Result<Bytes, StreamError>, Option<Self>)> {
        let Self { platform, scope, filter, next, pages } = self;
        let page = match next {
            Next::Read(page) => page,
            Next::After(_) if pages >= PAGES_MAX => {
                return Some((Err(broken("the export is too long; narrow it by `from` and `to`")), None));
            }
            Next::After(place) => {
                match usage_report::page(&platform, &scope, &filter, Some(&place), PAGE_ROWS).await {
                    Ok(page) => page,
                    Err(error) => return Some((Err(failed(&error)), None)),
                }
            }
        };
        let lines: String = page.rows.iter().map(usage_csv::line).collect();
        let next = page.next.map(Next::After);
        Some((Ok(lines.into()), next.map(|next| Self { platform, scope, filter, next, pages: pages + 1 })))
    }
}

fn failed(error: &PlatformError) -> StreamError {
    log::error!("an export broke off: {error}");
    broken("the database could not be read on")
}

fn broken(reason: &str) -> StreamError {
    StreamError::Broken(reason.to_owned())
}
