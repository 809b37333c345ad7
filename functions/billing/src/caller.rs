//! Who calls: a machine client, what it may do and whose data it may touch.

use bytes::Bytes;
use domain::identity::AccountId;
use http::{Request, StatusCode};
use http_api::{Failure, Fields, Problem, Query};
use platform::Platform;
use store::service_keys::{self, ServiceKey};
use store::tenants::{self, Tenant};
use store::users;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    BudgetRead,
    UsageRead,
    UsageWrite,
    UsersWrite,
    TenantsWrite,
    WebhooksWrite,
    ReconciliationRead,
    ReconciliationWrite,
    LedgerWrite,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BudgetRead => "budget:read",
            Self::UsageRead => "usage:read",
            Self::UsageWrite => "usage:write",
            Self::UsersWrite => "users:write",
            Self::TenantsWrite => "tenants:write",
            Self::WebhooksWrite => "webhooks:write",
            Self::ReconciliationRead => "reconciliation:read",
            Self::ReconciliationWrite => "reconciliation:write",
            Self::LedgerWrite => "ledger:write",
        }
    }
}

/// What a tenant may spend, how fast and whether at all: never its own to say.
const LIMITS_OF_PLATFORM: [&str; 6] =
    ["status", "budget_total", "reset_day", "time_zone", "requests_per_minute", "tokens_per_minute"];

pub struct Caller {
    key: ServiceKey,
}

impl Caller {
    /// The client of a request that takes no query parameters, if it has the scope.
    pub async fn of(
        platform: &impl Platform,
        request: &Request<Bytes>,
        scope: Scope,
    ) -> Result<Self, Failure> {
        Ok(Self::asking(platform, request, scope, &[]).await?.0)
    }

    /// The client of the request's `X-API-Key`, if it has the scope, and what it asks for. The key is looked up each
    /// time, so that a revoked one is dead at once.
    pub async fn asking(
        platform: &impl Platform,
        request: &Request<Bytes>,
        scope: Scope,
        parameters: &'static [&'static str],
    ) -> Result<(Self, Query), Failure> {
        let key = http_api::comma_free_header(request.headers(), "x-api-key")?.ok_or_else(invalid_key)?;
        let key = service_keys::find(platform, key, platform.now()).await?.ok_or_else(invalid_key)?;
        let caller = Self { key };
        caller.require(scope)?;
        Ok((caller, Query::read(request.uri(), parameters)?))
    }

    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        let scope = scope.as_str();
        if self.key.scopes.iter().any(|granted| granted == scope) {
            return Ok(());
        }
        let message = format!("This API key lacks the scope `{scope}`. Use a key that has it.");
        Err(Problem::forbidden("missing_scope", message))
    }

    /// Whether the client serves every tenant.
    pub const fn is_platform_wide(&self) -> bool {
        self.key.tenant_id.is_none()
    }

    /// Refuses a client of one tenant, whose books these are not.
    pub fn check_platform_wide(&self) -> Result<(), Problem> {
        if self.is_platform_wide() {
            return Ok(());
        }
        let message = "This API key is one tenant's, and this concerns all. Use a platform-wide key.";
        Err(Problem::forbidden("platform_only", message))
    }

    /// Refuses a client of one tenant that would move the limits it lives under, or end its own suspension.
    pub fn check_may_limit_tenant(&self, fields: &Fields) -> Result<(), Problem> {
        let limit = LIMITS_OF_PLATFORM.into_iter().find(|name| fields.says(name));
        let (Some(limit), false) = (limit, self.is_platform_wide()) else { return Ok(()) };
        let message = format!(
            "`{limit}` of a tenant is for platform-wide keys with the scope `tenants:write`, and this key is one tenant's. Ask the platform's operator."
        );
        Err(Problem::forbidden("platform_only", message).about(limit))
    }

    pub fn tenant_id(&self) -> Option<&str> {
        self.key.tenant_id.as_deref()
    }

    pub fn sees(&self, tenant_id: &str) -> bool {
        self.key.tenant_id.as_deref().is_none_or(|own| own == tenant_id)
    }

    /// For the audit log.
    pub fn actor(&self) -> String {
        format!("service_key:{}", self.key.id)
    }

    /// The account of this text and its tenant. Malformed, unknown and foreign ids are one and the same 404.
    pub async fn account(
        &self,
        platform: &impl Platform,
        user_id: &str,
    ) -> Result<(AccountId, String), Failure> {
        let account = AccountId::parse(user_id).ok_or_else(no_such_user)?;
        let tenant_id = users::tenant_of(platform, account).await?;
        let tenant_id = tenant_id.filter(|id| self.sees(id)).ok_or_else(no_such_user)?;
        Ok((account, tenant_id))
    }

    /// The same, of a user that is not closed.
    pub async fn open_user(
        &self,
        platform: &impl Platform,
        user_id: &str,
    ) -> Result<(AccountId, String), Failure> {
        let (account, tenant_id) = self.account(platform, user_id).await?;
        if users::is_closed(platform, account).await? {
            return Err(user_closed().into());
        }
        Ok((account, tenant_id))
    }

    pub async fn open_account(&self, platform: &impl Platform, user_id: &str) -> Result<AccountId, Failure> {
        Ok(self.open_user(platform, user_id).await?.0)
    }

    pub async fn tenant(&self, platform: &impl Platform, id_or_slug: &str) -> Result<Tenant, Failure> {
        let tenant = tenants::find(platform, id_or_slug).await?;
        let tenant = tenant.filter(|tenant| self.sees(&tenant.id));
        Ok(tenant.ok_or_else(|| Problem::not_found("There is no such tenant. Check its id or slug."))?)
    }
}

fn invalid_key() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "authentication_error",
        "invalid_api_key",
        "The API key is missing or not valid. Send `X-API-Key: …` with a service key that is neither expired nor revoked.",
    )
}

pub fn user_closed() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "invalid_request_error",
        "user_closed",
        "This user is closed for good. Make a new one.",
    )
}

pub fn no_such_user() -> Problem {
    Problem::not_found(
        "There is no such user. Check `user_id`, which looks like `eu-` and 32 hexadecimal digits.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every one of them.
    const ALL: [Scope; 9] = [
        Scope::BudgetRead,
        Scope::UsageRead,
        Scope::UsageWrite,
        Scope::UsersWrite,
        Scope::TenantsWrite,
        Scope::WebhooksWrite,
        Scope::LedgerWrite,
        Scope::ReconciliationRead,
        Scope::ReconciliationWrite,
    ];

    #[test]
    fn an_administrator_can_grant_each_scope_and_no_other() {
        assert_eq!(ALL.map(Scope::as_str), service_keys::SCOPES);
    }
}
