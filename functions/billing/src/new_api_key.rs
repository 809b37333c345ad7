//! Making an API key.

use crate::limit_fields::{changed_budget, changed_per_minute, expires_at};
use domain::account::KEYS_MAX;
use domain::api_key::{self, KeyHash, Pepper};
use domain::identity::AccountId;
use domain::time::Timestamp;
use http::StatusCode;
use http_api::{Failure, Fields, Problem};
use platform::{Platform, PlatformError, Secret, Statement};
use store::api_keys::{self, KeyChange, NewApiKey};

/// The versions of peppers, the newest first, and their names among the secrets. New keys are made under the newest that
/// is configured.
const PEPPERS: [(u8, &str); 2] = [(2, "API_KEY_PEPPER_2"), (1, "API_KEY_PEPPER_1")];

/// The fields of a key.
pub const FIELDS: &[&str] =
    &["name", "expires_at", "budget", "requests_per_minute", "tokens_per_minute", "clamp"];

pub struct IssuedKey {
    /// Shown once, stored nowhere.
    pub secret: String,
    pub row: NewApiKey,
    limits: KeyChange,
}

impl IssuedKey {
    /// The key, and what else `belongs` to it. Commit [`store::users::configuration_changed`] and
    /// [`store::pending_pushes::add`] with them. They violate a constraint when the user then has more than
    /// [`KEYS_MAX`] usable keys.
    pub fn statements(&self, belongs: Vec<Statement>, now: Timestamp) -> Vec<Statement> {
        let (row, user) = (&self.row, self.row.user);
        let mut statements = vec![api_keys::insert(row, now)];
        if self.limits != KeyChange::default() {
            statements.push(api_keys::update(&row.id, user, &self.limits, now));
        }
        statements.extend(belongs);
        statements.push(api_keys::refuse_beyond(KEYS_MAX, &row.id, user, now));
        statements
    }
}

pub fn too_many_keys() -> Problem {
    let message = format!("This user has {KEYS_MAX} usable keys, which is the limit. Revoke one first.");
    Problem::new(StatusCode::CONFLICT, "invalid_request_error", "too_many_keys", message)
}

/// Reads `budget`, `requests_per_minute`, `tokens_per_minute` and `clamp`.
pub fn limits(fields: &Fields) -> Result<KeyChange, Problem> {
    Ok(KeyChange {
        name: None,
        expires: None,
        budget: changed_budget(fields, "budget")?.into(),
        requests_per_minute: changed_per_minute(fields, "requests_per_minute")?.into(),
        tokens_per_minute: changed_per_minute(fields, "tokens_per_minute")?.into(),
        clamp: fields.optional_bool("clamp")?,
    })
}

/// Reads `name` and `expires_at` as well.
pub fn change(fields: &Fields, now: Timestamp) -> Result<KeyChange, Problem> {
    Ok(KeyChange {
        name: fields.optional_text("name")?.map(str::to_owned),
        expires: fields.change("expires_at", expires_at(fields, now)?).into(),
        ..limits(fields)?
    })
}

/// Reads `name`, `expires_at` and the key's limits.
pub async fn issue(
    platform: &impl Platform,
    user: AccountId,
    fields: Option<&Fields>,
) -> Result<IssuedKey, Failure> {
    let name = fields.map(|f| f.optional_text("name")).transpose()?.flatten().unwrap_or("default").to_owned();
    let expires = fields.map(|f| expires_at(f, platform.now())).transpose()?.flatten();
    let limits = fields.map(limits).transpose()?.unwrap_or_default();
    let (version, pepper) = newest_pepper(platform).await?;
    let mut random = [0; 24];
    platform.fill(&mut random);
    let pepper = Pepper { version, secret: pepper.expose().as_bytes() };
    let secret = api_key::issue(user, &random, &pepper);
    let row = NewApiKey {
        id: key_id(platform),
        user,
        name,
        preview: api_key::preview(&secret),
        hash: KeyHash::of(&secret),
        expires,
    };
    Ok(IssuedKey { secret, row, limits })
}

async fn newest_pepper(platform: &impl Platform) -> Result<(u8, Secret), PlatformError> {
    for (version, name) in PEPPERS {
        if let Some(pepper) = platform.setting(name).await? {
            return Ok((version, pepper));
        }
    }
    Err(PlatformError::not_configured("API_KEY_PEPPER_1"))
}

fn key_id(platform: &impl Platform) -> String {
    let mut random = [0; 12];
    platform.fill(&mut random);
    random.iter().fold("key_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

pub fn expires_text(expires: Option<Timestamp>) -> Option<String> {
    expires.map(Timestamp::to_rfc3339)
}
