//! Tenants, products, the administrator and billing's machine client.

use super::{SeedStatement, TENANTS};
use crate::secrets::Secrets;
use domain::api_key::KeyHash;
use domain::identity::{AccountId, Home, RequestId};
use domain::money::NanoEur;
use domain::password;
use serde_json::{Value, json};

/// The database's own clock, so that a repetition is the same statement.
const INSERT_TENANT: &str = "
INSERT INTO tenants (id, slug, name, type, status, time_zone, created_at, updated_at)
VALUES (?1, ?1, ?2, ?3, 'active', 'Europe/Berlin', unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

const INSERT_PRODUCT: &str = "
INSERT INTO products (id, name, description, price_nano_eur, budget_included_nano_eur, max_users, models,
  features, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

/// A changed hash follows the state folder's secrets.
const UPSERT_SERVICE_KEY: &str = "
INSERT INTO service_keys (id, tenant_id, name, hash, scopes, created_at)
VALUES ('service_local', NULL, 'Local installation', ?1, ?2, unixepoch() * 1000)
ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes";

const INSERT_ADMIN: &str = "
INSERT INTO users (id, tenant_id, email, name, role, status, password_hash, budget_nano_eur, budget_reset_at,
  created_at, updated_at)
VALUES (?1, 'platform', ?2, 'Administrator', 'admin', 'active', ?3, 0, 0,
  unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING";

/// Until its account has told when its period ends, nobody has told the account.
const PUSH_ADMIN: &str = "
INSERT INTO pending_pushes (account_id, version, since)
SELECT id, configuration_version, unixepoch() * 1000 FROM users WHERE id = ?1 AND budget_reset_at = 0
ON CONFLICT DO NOTHING";

const SCOPES: [&str; 9] = [
    "budget:read",
    "usage:read",
    "usage:write",
    "users:write",
    "tenants:write",
    "webhooks:write",
    "ledger:write",
    "reconciliation:read",
    "reconciliation:write",
];

struct Plan {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    price_nano_eur: Option<i64>,
    budget_included: Option<NanoEur>,
    max_users: Option<i64>,
    models: &'static [&'static str],
    features: &'static [&'static str],
}

const PLANS: [Plan; 3] = [
    Plan {
        id: "starter",
        name: "Starter",
        description: "One user and small models.",
        price_nano_eur: Some(9_990_000_000),
        budget_included: Some(NanoEur::euros(25)),
        max_users: Some(1),
        models: &["demo/echo", "gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano"],
        features: &[],
    },
    Plan {
        id: "professional",
        name: "Professional",
        description: "Five users and all models.",
        price_nano_eur: Some(29_990_000_000),
        budget_included: Some(NanoEur::euros(100)),
        max_users: Some(5),
        models: &["all"],
        features: &["branding", "priority_support"],
    },
    Plan {
        id: "enterprise",
        name: "Enterprise",
        description: "Own price, own domain, dedicated resources, on-premise.",
        price_nano_eur: None,
        budget_included: None,
        max_users: None,
        models: &["all"],
        features: &["branding", "priority_support", "own_domain", "dedicated_resources", "on_premise"],
    },
];

pub fn statements(secrets: &Secrets) -> Vec<SeedStatement> {
    let mut all = Vec::new();
    for (id, name, kind) in TENANTS {
        all.push(SeedStatement::new(INSERT_TENANT, vec![json!(id), json!(name), json!(kind)]));
    }
    all.extend(PLANS.iter().map(product));
    let hash = hex(KeyHash::of(&secrets.billing_api_key).as_bytes());
    all.push(SeedStatement::new(UPSERT_SERVICE_KEY, vec![json!(hash), json!(json!(SCOPES).to_string())]));
    all.extend(admin(secrets));
    all
}

fn product(plan: &Plan) -> SeedStatement {
    let Plan { id, name, description, price_nano_eur, budget_included, max_users, models, features } = plan;
    let params = vec![
        json!(id),
        json!(name),
        json!(description),
        json!(price_nano_eur),
        json!(budget_included.map(NanoEur::get)),
        json!(max_users),
        json!(json!(models).to_string()),
        json!(json!(features).to_string()),
    ];
    SeedStatement::new(INSERT_PRODUCT, params)
}

/// The account's id and the password's salt are made from the folder's secrets, so that they differ between
/// folders and stay within one.
fn admin(secrets: &Secrets) -> [SeedStatement; 2] {
    let derived = |purpose: &str| RequestId::of_foreign(&secrets.api_key_pepper_1, purpose).0;
    let id: Value = AccountId::new(Home::Eu, derived("admin account")).to_string().into();
    let hash = password::hash(&secrets.admin_password, &derived("admin salt"));
    let email = secrets.admin_email.to_ascii_lowercase();
    [
        SeedStatement::new(INSERT_ADMIN, vec![id.clone(), json!(email), json!(hash)]),
        SeedStatement::new(PUSH_ADMIN, vec![id]),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
