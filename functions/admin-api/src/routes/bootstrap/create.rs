use crate::user_view;
use bytes::Bytes;
use domain::api_key::KeyHash;
use domain::email_address;
use domain::identity::{AccountId, Home};
use domain::password::{self, PASSWORD_MAX, PASSWORD_MIN, SALT};
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, Query, bearer_or_api_key, json};
use platform::{Body, Platform, PlatformError, PlatformErrorKind, Statement};
use serde_json::json as object;
use store::first_admin::{self, FirstAdmin};
use store::first_rows::{self, PLATFORM_TENANT};
use store::{audit_log, pending_pushes, users};

/// The secret that opens this route once. Without it there is no such route.
const TOKEN: &str = "BOOTSTRAP_TOKEN";
/// Shorter ones are taken for a mistake.
const TOKEN_LENGTH_MIN: usize = 32;
const FIELDS: &[&str] = &["email", "password", "name"];

/// `POST /admin/bootstrap` `{email, password, name?}`, with `Authorization: Bearer <BOOTSTRAP_TOKEN>`: 201 with the
/// first administrator of a fresh deployment, and the rows that it starts from.
///
/// 409 `already_bootstrapped` as soon as there has been an administrator, however many ask at once.
pub async fn create(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    check_token(platform, request).await?;
    Query::none(request.uri())?;
    let fields = Fields::parse(request.body(), FIELDS)?;
    let (email, password) = (email(&fields)?, password(&fields)?);
    let name = fields.optional_text("name")?.unwrap_or("Administrator");
    if first_admin::exists(platform).await? {
        return Err(already_bootstrapped().into());
    }
    let (mut id, mut salt) = ([0; 16], [0; SALT]);
    platform.fill(&mut id);
    platform.fill(&mut salt);
    let password_hash = password::hash(password, &salt);
    let admin = FirstAdmin {
        id: AccountId::new(Home::Eu, id),
        tenant_id: PLATFORM_TENANT,
        email: &email,
        name,
        password_hash: &password_hash,
    };
    match platform.commit(statements(platform, &admin)).await {
        Err(error) if error.kind == PlatformErrorKind::Conflict => {
            let taken = !first_admin::exists(platform).await?;
            return Err(if taken { email_taken() } else { already_bootstrapped() }.into());
        }
        result => result?,
    }
    if let Err(error) = pending_pushes::push(platform, admin.id).await {
        log::warn!("the account {} will be told by the scheduler: {error}", admin.id);
    }
    let user = users::find(platform, admin.id).await?;
    let user = user.ok_or_else(|| PlatformError::malformed("the first administrator was stored nowhere"))?;
    Ok(json(StatusCode::CREATED, &user_view::profile(&user)))
}

/// Hashes are compared, so that the time tells nothing.
async fn check_token(platform: &impl Platform, request: &Request<Bytes>) -> Result<(), Failure> {
    let token = platform.setting(TOKEN).await?;
    let Some(token) = token.filter(|token| token.expose().len() >= TOKEN_LENGTH_MIN) else {
        return Err(Problem::no_such_route(request.method(), request.uri().path()).into());
    };
    match bearer_or_api_key(request.headers())? {
        Some(given) if KeyHash::of(given) == KeyHash::of(token.expose()) => Ok(()),
        _ => Err(wrong_token().into()),
    }
}

/// All or none.
fn statements(platform: &impl Platform, admin: &FirstAdmin<'_>) -> Vec<Statement> {
    let now = platform.now();
    let audit = audit_log::Entry {
        actor: "bootstrap",
        action: "user.create",
        object: &format!("user:{}", admin.id),
        after: object!({ "tenant_id": admin.tenant_id, "role": "admin", "status": "active" }),
    };
    let mut all = first_rows::statements();
    all.extend([
        first_admin::insert(admin, now),
        pending_pushes::add(admin.id, now),
        audit_log::insert(&audit, now),
    ]);
    all
}

fn email(fields: &Fields) -> Result<String, Problem> {
    email_address::parse(fields.text("email")?).ok_or_else(|| fields.refuse("email", "one e-mail address"))
}

fn password(fields: &Fields) -> Result<&str, Problem> {
    let password = fields.text("password")?;
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        let expected =
            format!("a text of at least {PASSWORD_MIN} characters and at most {PASSWORD_MAX} bytes");
        return Err(fields.refuse("password", &expected));
    }
    Ok(password)
}

fn wrong_token() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "authentication_error",
        "wrong_bootstrap_token",
        "The token is missing or not the deployment's BOOTSTRAP_TOKEN. Send it as `Authorization: Bearer …`.",
    )
}

fn already_bootstrapped() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "already_bootstrapped",
        "This deployment has had an administrator, so no first one is made. Log in at POST /admin/auth/login, and delete the secret BOOTSTRAP_TOKEN.",
    )
}

fn email_taken() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "email_taken",
        "Another user has this e-mail address. Use another.",
    )
    .about("email")
}
