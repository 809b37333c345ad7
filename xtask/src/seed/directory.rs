//! The administrator and billing's machine client.

use super::SeedStatement;
use crate::secrets::Secrets;
use domain::api_key::KeyHash;
use domain::identity::{AccountId, Home, RequestId};
use domain::password;
use serde_json::{Value, json};
use store::service_keys::SCOPES;

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

pub fn statements(secrets: &Secrets) -> Vec<SeedStatement> {
    let hash = hex(KeyHash::of(&secrets.billing_api_key).as_bytes());
    let scopes = json!(SCOPES).to_string();
    let mut all = vec![SeedStatement::new(UPSERT_SERVICE_KEY, vec![json!(hash), json!(scopes)])];
    all.extend(admin(secrets));
    all
}

/// The account's id and the password's salt are made from the folder's secrets, so that they differ between
/// folders and stay within one.
fn admin(secrets: &Secrets) -> [SeedStatement; 2] {
    let derived = |purpose: &str| RequestId::of_foreign(&secrets.api_key_pepper_1, purpose).0;
    let id: Value = AccountId::new(Home::Eu, derived("admin account")).to_string().into();
    let hash = password::hash(&secrets.admin_password, &derived("admin salt"));
    let email = domain::email_address::comparable(&secrets.admin_email);
    [
        SeedStatement::new(INSERT_ADMIN, vec![id.clone(), json!(email), json!(hash)]),
        SeedStatement::new(PUSH_ADMIN, vec![id]),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
