use crate::{session, user_view};
use bytes::Bytes;
use domain::account::{Account, Balance, Command, Reply};
use domain::identity::AccountId;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, Query, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::pending_pushes;
use store::users::{self, User};

const USERS_MAX: usize = 50;
/// Accounts asked at the same time.
const AT_ONCE: usize = 6;

/// `GET /admin/users?limit=&cursor=`: users with their live budgets; all of them for an `admin`, those of the
/// own tenant for a `tenant_admin`. A page that is followed by another names its `next_cursor`.
pub async fn list(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = session::user(platform, request.headers()).await?;
    let tenant_id = visible_tenant(&caller)?;
    let query = Query::read(request.uri(), &["limit", "cursor"])?;
    let limit = query.count("limit", USERS_MAX)?.unwrap_or(USERS_MAX);
    let after = cursor(&query)?.map_or_else(String::new, |last| last.to_string());
    let mut users = users::page(platform, tenant_id, &after, limit as i64 + 1).await?;
    let more = users.len() > limit;
    users.truncate(limit);
    let next_cursor = users.last().filter(|_| more).map(|user| user.id.to_string());
    let questions = users.into_iter().map(|user| async move {
        let balance = balance(platform, user.id).await;
        user_view::with_budget(&user, balance.as_ref())
    });
    let views: Vec<Value> = stream::iter(questions).buffered(AT_ONCE).collect().await;
    Ok(json(StatusCode::OK, &object!({ "users": views, "next_cursor": next_cursor })))
}

/// None: every tenant.
fn visible_tenant(caller: &User) -> Result<Option<&str>, Problem> {
    match caller.role.as_str() {
        "admin" => Ok(None),
        "tenant_admin" => Ok(Some(&caller.tenant_id)),
        _ => Err(Problem::forbidden("role_too_low", "Only administrators see users. Ask yours.")),
    }
}

/// None for an account that cannot be reached, so that one of them does not hide the others.
async fn balance(platform: &impl Platform, account: AccountId) -> Option<Balance> {
    let found = match platform.apply::<Account>(&account.to_string(), Command::Inspect).await {
        Ok(Reply::Balance(balance)) => Ok(Some(*balance)),
        // It has not heard of its user yet.
        Ok(Reply::NotConfigured) => pending_pushes::push(platform, account).await,
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    };
    found.unwrap_or_else(|error| {
        log::warn!("account {account} cannot be reached: {error}");
        None
    })
}

/// The last user of the page before.
fn cursor(query: &Query) -> Result<Option<AccountId>, Problem> {
    let Some(text) = query.get("cursor") else { return Ok(None) };
    let wrong = || Problem::invalid_field("cursor", "`cursor` must be the `next_cursor` of an earlier page.");
    AccountId::parse(text).ok_or_else(wrong).map(Some)
}
