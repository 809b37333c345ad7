//! Making an API key.

use domain::api_key::{self, KeyHash, Pepper};
use domain::identity::AccountId;
use domain::time::Timestamp;
use http_api::{Failure, Fields};
use platform::Platform;
use store::api_keys::NewApiKey;

/// The version of the pepper under which new keys are made, and its name among the secrets.
const PEPPER: (u8, &str) = (1, "API_KEY_PEPPER_1");

pub struct IssuedKey {
    /// Shown once, stored nowhere.
    pub secret: String,
    pub row: NewApiKey,
}

/// Reads `name` and `expires_at`.
pub async fn issue(
    platform: &impl Platform,
    user: AccountId,
    fields: Option<&Fields>,
) -> Result<IssuedKey, Failure> {
    let name = fields.map(|f| f.optional_text("name")).transpose()?.flatten().unwrap_or("default").to_owned();
    let expires = fields.map(|f| f.optional_instant("expires_at")).transpose()?.flatten();
    let pepper = platform.secret(PEPPER.1).await?;
    let mut random = [0; 24];
    platform.fill(&mut random);
    let pepper = Pepper { version: PEPPER.0, secret: pepper.expose().as_bytes() };
    let secret = api_key::issue(user, &random, &pepper);
    let row = NewApiKey {
        id: key_id(platform),
        user,
        name,
        preview: api_key::preview(&secret),
        hash: KeyHash::of(&secret),
        expires,
    };
    Ok(IssuedKey { secret, row })
}

fn key_id(platform: &impl Platform) -> String {
    let mut random = [0; 12];
    platform.fill(&mut random);
    random.iter().fold("key_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

pub fn expires_text(expires: Option<Timestamp>) -> Option<String> {
    expires.map(Timestamp::to_rfc3339)
}
