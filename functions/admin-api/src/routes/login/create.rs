use crate::session;
use bytes::Bytes;
use core::time::Duration;
use domain::password::{self, PASSWORD_MAX};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, Query, json};
use platform::{Body, Platform, PlatformError};
use serde_json::json as object;
use store::login_attempts::{self, Attempts, Subject};
use store::users;

/// Attempts within a window before an account is locked until the window's end.
const ATTEMPTS_PER_ACCOUNT_MAX: u64 = 10;
/// More, since many people may share an address.
const ATTEMPTS_PER_ADDRESS_MAX: u64 = 100;
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The setting that names the header with the caller's address. It must be one that whoever stands in front of this
/// function sets or overwrites: what a caller can choose locks nobody. Absent or empty: only accounts lock.
const ADDRESS_HEADER: &str = "CLIENT_ADDRESS_HEADER";
/// An IPv6 address with a zone and a port has some 80.
const ADDRESS_BYTES_MAX: usize = 128;

/// `POST /admin/auth/login` `{email, password}`: 200 with `access_token`, `token_type`, `expires_in` (seconds).
///
/// A wrong password, an unknown user and one who is not active take the same path and get the same 401; too
/// many attempts get 429, whether the user exists or not.
pub async fn create(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    Query::none(request.uri())?;
    let fields = Fields::parse(request.body(), &["email", "password"])?;
    let (email, password) = (fields.text("email")?, fields.text("password")?);
    if password.len() > PASSWORD_MAX {
        return Err(wrong().into());
    }
    count_attempt(platform, email, request.headers()).await?;
    let user = users::find_by_email(platform, email).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let right = password::verify(password, stored);
    let user = user.filter(|_| right).ok_or_else(wrong)?;
    if !session::may_sign_in(platform, &user).await? {
        return Err(wrong().into());
    }
    platform.commit(vec![login_attempts::forget(&Subject::email(email))]).await?;
    let body = object!({
        "access_token": session::issue(platform, &user).await?,
        "token_type": "Bearer",
        "expires_in": session::SESSION_LIFE.as_secs(),
    });
    Ok(json(StatusCode::OK, &body))
}

/// Before the password is looked at, so that attempts at once do not pass the limit.
async fn count_attempt(platform: &impl Platform, email: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let now = platform.now();
    if let Some(address) = address(platform, headers).await? {
        let subject = Subject::address(address);
        let attempts = login_attempts::count(platform, &subject, WINDOW, now).await?;
        check(platform, &attempts, ATTEMPTS_PER_ADDRESS_MAX)?;
    }
    let attempts = login_attempts::count(platform, &Subject::email(email), WINDOW, now).await?;
    Ok(check(platform, &attempts, ATTEMPTS_PER_ACCOUNT_MAX)?)
}

async fn address<'a>(platform: &impl Platform, headers: &'a HeaderMap) -> Result<Option<&'a str>, Failure> {
    let Some(name) = platform.setting(ADDRESS_HEADER).await? else { return Ok(None) };
    let name = HeaderName::from_bytes(name.expose().as_bytes())
        .map_err(|_| PlatformError::malformed(format!("{ADDRESS_HEADER} must be the name of a header")))?;
    let address = http_api::comma_free_header(headers, name.as_str())?;
    if address.is_some_and(|address| address.len() > ADDRESS_BYTES_MAX) {
        let message =
            format!("The header `{name}` must be one address of at most {ADDRESS_BYTES_MAX} bytes.");
        return Err(Problem::invalid_field(name.as_str(), message).into());
    }
    Ok(address)
}

fn check(platform: &impl Platform, attempts: &Attempts, max: u64) -> Result<(), Problem> {
    if attempts.count <= max {
        return Ok(());
    }
    let wait = attempts.window_ends_at.since(platform.now());
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_error",
        "too_many_attempts",
        "There were too many attempts to log in. Retry after the time in `Retry-After`.",
    );
    Err(problem.retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
}

fn wrong() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "authentication_error",
        "wrong_credentials",
        "E-mail or password is wrong, or the user is not active.",
    )
}
