//! Sessions: ES256 tokens of 15 minutes. A token says who; what they may do is looked up each time, so that
//! a suspension or a changed role holds at once.

use chrono::{DateTime, TimeDelta, Utc};
use core::time::Duration;
use domain::account::Status;
use domain::identity::AccountId;
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode};
use http_api::{Failure, Problem};
use jwt_compact::alg::{Es256, SigningKey};
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions, UntrustedToken};
use platform::{Platform, PlatformError};
use serde::{Deserialize, Serialize};
use store::tenants;
use store::users::{self, User};

pub const SESSION_LIFE: Duration = Duration::from_secs(15 * 60);
/// The private scalar of the P-256 key that signs, as 64 hexadecimal digits, big-endian.
const KEY: &str = "SESSION_KEY_P256";
const KEY_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct SessionClaims {
    /// The user's id.
    sub: String,
    role: String,
    tenant: String,
}

type Key = <Es256 as jwt_compact::Algorithm>::SigningKey;

/// A token for this user from `now` on.
pub async fn issue(platform: &impl Platform, user: &User) -> Result<String, Failure> {
    let key = signing_key(platform).await?;
    let claims =
        SessionClaims { sub: user.id.to_string(), role: user.role.clone(), tenant: user.tenant_id.clone() };
    let life = TimeDelta::seconds(SESSION_LIFE.as_secs() as i64);
    let claims = Claims::new(claims).set_duration_and_issuance(&time_options(platform.now()), life);
    let token = Es256.token(&Header::empty().with_token_type("JWT"), &claims, &key);
    Ok(token.map_err(|error| PlatformError::malformed(format!("no token was made: {error}")))?)
}

/// The active user of the request's bearer token.
pub async fn user(platform: &impl Platform, headers: &HeaderMap) -> Result<User, Failure> {
    let token = http_api::bearer(headers)?.ok_or_else(not_logged_in)?;
    let key = signing_key(platform).await?;
    let id = subject(token, &key, platform.now()).ok_or_else(not_logged_in)?;
    let user = users::find(platform, id).await?.ok_or_else(not_logged_in)?;
    if may_sign_in(platform, &user).await? { Ok(user) } else { Err(not_logged_in().into()) }
}

/// Active people of active tenants.
pub async fn may_sign_in(platform: &impl Platform, user: &User) -> Result<bool, PlatformError> {
    if user.status != Status::Active {
        return Ok(false);
    }
    let tenant = tenants::find(platform, &user.tenant_id).await?;
    Ok(tenant.is_some_and(|tenant| Status::parse(&tenant.status) == Status::Active))
}

/// Whom a token names, if its signature and its times hold.
fn subject(token: &str, key: &Key, now: Timestamp) -> Option<AccountId> {
    let token = UntrustedToken::new(token).ok()?;
    let verifying = SigningKey::<Es256>::to_verifying_key(key);
    let token = Es256.validator::<SessionClaims>(&verifying).validate(&token).ok()?;
    token.claims().validate_expiration(&time_options(now)).ok()?;
    AccountId::parse(&token.claims().custom.sub)
}

fn time_options(now: Timestamp) -> TimeOptions<impl Fn() -> DateTime<Utc>> {
    let now = DateTime::from_timestamp_millis(now.as_millis()).unwrap_or_default();
    TimeOptions::new(TimeDelta::zero(), move || now)
}

async fn signing_key(platform: &impl Platform) -> Result<Key, PlatformError> {
    let secret = platform.secret(KEY).await?;
    let unusable = || PlatformError::not_configured("SESSION_KEY_P256: 64 hexadecimal digits are expected");
    let bytes = from_hex(secret.expose()).ok_or_else(unusable)?;
    <Key as SigningKey<Es256>>::from_slice(&bytes).map_err(|_| unusable())
}

fn from_hex(hex: &str) -> Option<[u8; KEY_BYTES]> {
    if hex.len() != 2 * KEY_BYTES || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

pub fn not_logged_in() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "authentication_error",
        "not_logged_in",
        "The session is missing, over or not valid. Log in at POST /admin/auth/login and send `Authorization: Bearer …`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::identity::Home;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key(byte: u8) -> Key {
        <Key as SigningKey<Es256>>::from_slice(&[byte; KEY_BYTES]).unwrap()
    }

    fn token(key: &Key, id: AccountId) -> String {
        let claims = SessionClaims { sub: id.to_string(), role: "admin".into(), tenant: "t".into() };
        let claims =
            Claims::new(claims).set_duration_and_issuance(&time_options(NOW), TimeDelta::minutes(15));
        Es256.token(&Header::empty(), &claims, key).unwrap()
    }

    #[test]
    fn a_token_holds_for_its_life_and_under_its_key() {
        let id = AccountId::new(Home::Eu, [1; 16]);
        let token = token(&key(7), id);
        assert_eq!(subject(&token, &key(7), NOW), Some(id));
        assert_eq!(subject(&token, &key(7), NOW.plus(SESSION_LIFE)), Some(id));
        assert_eq!(subject(&token, &key(7), NOW.plus(SESSION_LIFE + Duration::from_secs(1))), None);
        assert_eq!(subject(&token, &key(8), NOW), None);
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = token(&key(7), AccountId::new(Home::Eu, [1; 16]));
        for at in [5, token.len() / 2, token.len() - 2] {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(subject(core::str::from_utf8(&forged).unwrap(), &key(7), NOW), None, "{at}");
        }
        let (_, rest) = token.split_once('.').unwrap();
        // {"alg":"none"}
        assert_eq!(subject(&format!("eyJhbGciOiJub25lIn0.{rest}"), &key(7), NOW), None);
        assert_eq!(subject("", &key(7), NOW), None);
    }
}
