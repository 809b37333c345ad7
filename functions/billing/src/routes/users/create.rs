use crate::budget_view;
use crate::caller::{Caller, Scope, no_such_user};
use crate::ledger::{self, Pushed};
use crate::limit_fields::{self, STATUSES, concurrency_max, every_days, per_minute, period, reset_day};
use crate::new_api_key::{self, IssuedKey};
use crate::once::Once;
use bytes::Bytes;
use domain::email_address;
use domain::identity::AccountId;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem};
use platform::{Body, Platform, PlatformErrorKind};
use serde_json::{Value, json as object};
use store::products::{self, Product};
use store::tenants::{Tenant, UserLimit};
use store::users::{DayPeriod, NewUser, UserChange};
use store::{audit_log, configuration, pending_pushes, tenants, users};

const FIELDS: &[&str] = &[
    "email",
    "name",
    "tenant_id",
    "role",
    "status",
    "product_id",
    "budget_total",
    "reset_day",
    "period_days",
    "period_from",
    "models",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrency_max",
    "clamp",
    "api_key",
];

/// `POST /api/users` `{email, name?, tenant_id (or its slug), role?, status?, product_id?, budget_total?,
/// reset_day?, period_days?, period_from?, models?, requests_per_minute?, tokens_per_minute?, concurrency_max?,
/// clamp?, api_key?: {name?, expires_at?, budget?, requests_per_minute?, tokens_per_minute?, clamp?}}`: a user with
/// an account and a key. The budget starts anew every month on `reset_day`, or every `period_days` days.
///
/// 201 with `api_key`, which is shown only now. 202 with `pending: true` when the account has not
/// acknowledged yet: the user exists and the key works as soon as the scheduler has told the account. 409
/// when the e-mail is taken, 403 `user_limit` when the tenant has as many users as it or its plan may have. A repetition
/// under the same `Idempotency-Key` is 200 with `repeated`, and without the key.
pub async fn create(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsersWrite).await?;
    let fields = Fields::parse(request.body(), FIELDS)?;
    let tenant_name = fields.optional_text("tenant_id")?.or(caller.tenant_id());
    let tenant = caller.tenant(platform, fields.required("tenant_id", tenant_name)?).await?;
    let once = Once::of(request, &format!("{}/users", tenant.id))?;
    if let Some(made) = once.made(platform).await? {
        return repeated(platform, made).await;
    }
    let product = product(platform, &fields).await?;
    let limits = UserChange {
        concurrency_max: concurrency_max(&fields)?.into(),
        clamp: fields.optional_bool("clamp")?,
        period: period(&fields)?.into(),
        ..UserChange::default()
    };
    let user = new_user(platform, &caller, &fields, &tenant, product.as_ref(), &limits)?;
    let key_fields = fields.optional_object("api_key", new_api_key::FIELDS)?;
    let key = new_api_key::issue(platform, user.id, key_fields.as_ref()).await?;
    let making = Making { user, limits, key, once };
    if let Some(made) = making.commit(platform, &caller).await? {
        return repeated(platform, made).await;
    }
    let Making { user, key, .. } = making;
    let pushed = ledger::push(platform, user.id).await;
    Ok(answer(pushed, &user, &key))
}

/// What was made before; its secret was shown then.
async fn repeated(platform: &impl Platform, made: Value) -> Result<Response<Body>, Failure> {
    let account = made["user_id"].as_str().and_then(AccountId::parse).ok_or_else(no_such_user)?;
    Ok(ledger::tell(platform, account).await?.answer(StatusCode::OK, made))
}

async fn product(platform: &impl Platform, fields: &Fields) -> Result<Option<Product>, Failure> {
    let Some(id) = fields.optional_text("product_id")? else { return Ok(None) };
    let product = products::find(platform, id).await?;
    Ok(Some(product.ok_or_else(|| fields.refuse("product_id", "the id of an active product"))?))
}

/// What the request does not state comes from the product.
fn new_user(
    platform: &impl Platform,
    caller: &Caller,
    fields: &Fields,
    tenant: &Tenant,
    product: Option<&Product>,
    limits: &UserChange,
) -> Result<NewUser, Failure> {
    let included = product.and_then(|product| product.budget_included);
    let budget =
        fields.required("budget_total", limit_fields::budget(fields, "budget_total")?.or(included))?;
    let reset_day = reset_day(fields)?.unwrap_or(1);
    let rule = match limits.period.flatten() {
        Some(DayPeriod { days, from }) => every_days(days, from.unwrap_or_else(|| platform.now())),
        None => configuration::period(&tenant.time_zone, reset_day)?,
    };
    let of_product = |limit: fn(&Product) -> Option<u64>| {
        product.and_then(limit).and_then(|limit| i64::try_from(limit).ok())
    };
    let models = fields.optional_texts("models")?.or_else(|| product.map(|product| product.models.clone()));
    let mut random = [0; 16];
    platform.fill(&mut random);
    Ok(NewUser {
        id: AccountId::new(tenant.home, random),
        tenant_id: tenant.id.clone(),
        email: email(fields)?,
        name: fields.optional_text("name")?.unwrap_or_default().to_owned(),
        role: role(caller, fields)?,
        status: fields.optional_word("status", STATUSES)?.unwrap_or("active"),
        product_id: product.map(|product| product.id.clone()),
        budget,
        reset_day: u8::try_from(reset_day).map_err(|_| fields.refuse("reset_day", "a day from 1 to 31"))?,
        models: models.unwrap_or_else(|| vec!["all".to_owned()]),
        requests_per_minute: per_minute(fields, "requests_per_minute")?
            .or(of_product(|product| product.requests_per_minute)),
        tokens_per_minute: per_minute(fields, "tokens_per_minute")?
            .or(of_product(|product| product.tokens_per_minute)),
        budget_reset_at: rule.next_boundary(platform.now()),
    })
}

/// In its comparable form.
fn email(fields: &Fields) -> Result<String, Problem> {
    email_address::parse(fields.text("email")?).ok_or_else(|| {
        fields.refuse("email", "one e-mail address like `ada@example.com`, without a name or quotes")
    })
}

/// A key of one tenant makes no platform administrators.
fn role(caller: &Caller, fields: &Fields) -> Result<&'static str, Problem> {
    let role = fields.optional_word("role", &["admin", "tenant_admin", "user", "guest"])?.unwrap_or("user");
    if role == "admin" && !caller.is_platform_wide() {
        return Err(
            Problem::forbidden("role_too_high", "This API key may not make administrators.").about("role")
        );
    }
    Ok(role)
}

/// A user that is being made, with its key.
struct Making {
    user: NewUser,
    limits: UserChange,
    key: IssuedKey,
    once: Once,
}

impl Making {
    /// The rows and what the account must learn, in one commit. What another request made meanwhile under the same id,
    /// if one did.
    async fn commit(&self, platform: &impl Platform, caller: &Caller) -> Result<Option<Value>, Failure> {
        let (user, now) = (&self.user, platform.now());
        let audit = audit_log::Entry {
            actor: &caller.actor(),
            action: "user.create",
            object: &format!("user:{}", user.id),
            after: object!({
                "tenant_id": user.tenant_id, "role": user.role, "status": user.status,
                "budget_nano_eur": user.budget.get(), "api_key_id": self.key.row.id,
            }),
        };
        let mut statements = vec![users::insert(user, now)];
        if self.limits != UserChange::default() {
            statements.push(users::update(user.id, &self.limits, now));
        }
        statements.push(tenants::refuse_beyond_max_users(&user.tenant_id));
        statements.extend(self.key.statements(Vec::new(), now));
        statements.extend([pending_pushes::add(user.id, now), audit_log::insert(&audit, now)]);
        statements.extend(self.once.statement(&self.kept(), now));
        match platform.commit(statements).await {
            Err(error) if error.kind == PlatformErrorKind::Conflict => {
                if let Some(made) = self.once.made(platform).await? {
                    return Ok(Some(made));
                }
                let taken = users::find_by_email(platform, &user.email).await?.is_some();
                Err(if taken { email_taken() } else { user_limit(platform, &user.tenant_id).await? }.into())
            }
            done => Ok(done.map(|()| None)?),
        }
    }

    /// What a repetition is told: no secret, and nothing personal that would outlive the user.
    fn kept(&self) -> Value {
        object!({
            "user_id": self.user.id.to_string(),
            "tenant_id": self.user.tenant_id,
            "role": self.user.role,
            "status": self.user.status,
            "product_id": self.user.product_id,
            "api_key_id": self.key.row.id,
            "api_key_expires_at": new_api_key::expires_text(self.key.row.expires),
        })
    }
}

/// The tenant has no room for one more.
pub(super) async fn user_limit(platform: &impl Platform, tenant_id: &str) -> Result<Problem, Failure> {
    let limit = tenants::user_limit(platform, tenant_id).await?;
    let (source, remedy) = match limit {
        Some(UserLimit { of_plan: true, .. }) => ("product", "take a larger plan"),
        _ => ("tenant", "have the tenant's limit raised"),
    };
    let message = format!("This tenant has as many users as it may. Close one first, or {remedy}.");
    let problem = Problem::forbidden("user_limit", message).about("tenant_id");
    Ok(problem.detail("limit_source", source).detail("limit", limit.map(|limit| limit.users)))
}

fn email_taken() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "email_taken",
        "A user with this e-mail exists already. Use another e-mail, or that user.",
    )
    .about("email")
}

fn answer(pushed: Pushed, user: &NewUser, key: &IssuedKey) -> Response<Body> {
    let zero = domain::money::NanoEur::ZERO;
    let mut body = object!({
        "user_id": user.id.to_string(),
        "tenant_id": user.tenant_id,
        "budget_total": user.budget.to_string(),
        "budget_used": zero.to_string(),
        "budget_remaining": user.budget.to_string(),
        "budget_reset_date": user.budget_reset_at.to_rfc3339(),
    });
    if let Pushed::Acknowledged(balance) = &pushed {
        body = budget_view::exact(user.id, balance).into();
    }
    body["email"] = user.email.clone().into();
    body["name"] = user.name.clone().into();
    body["role"] = user.role.into();
    body["status"] = user.status.into();
    body["product_id"] = user.product_id.clone().into();
    body["api_key"] = key.secret.clone().into();
    body["api_key_id"] = key.row.id.clone().into();
    body["api_key_expires_at"] = new_api_key::expires_text(key.row.expires).into();
    pushed.answer(StatusCode::CREATED, body)
}
