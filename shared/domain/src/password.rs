//! Passwords at rest: argon2id in PHC form,
//! `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>` with unpadded base64.
//!
//! 19 MiB, two passes, one lane: the first choice of OWASP's "Password Storage Cheat Sheet", about
//! 45 ms on Workers.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH: usize = 32;
pub const SALT: usize = 16;
/// Bytes. Longer passwords are refused before any work is done for them.
pub const PASSWORD_MAX: usize = 1_024;
/// Characters. Shorter ones are not taken for a new password.
pub const PASSWORD_MIN: usize = 12;

/// A PHC string. `salt` must be random.
pub fn hash(password: &str, salt: &[u8; SALT]) -> String {
    format!("{}{}${}", prefix(), STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(derive(password, salt)))
}

/// Whether `password` is the one of `stored`. Without a stored hash the same work is done for nothing,
/// so that the time does not tell whether a user exists.
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    let parsed = stored.and_then(parse);
    let (salt, expected) = parsed.unwrap_or(([0; SALT], [0; HASH]));
    let equal = bool::from(derive(password, &salt).ct_eq(&expected));
    equal && parsed.is_some()
}

fn derive(password: &str, salt: &[u8; SALT]) -> [u8; HASH] {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH)).expect("these parameters are in range");
    let mut hash = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .expect("salt and output have lengths that argon2 takes");
    hash
}

fn prefix() -> String {
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
}

/// Only our own parameters are read: we write no others.
fn parse(stored: &str) -> Option<([u8; SALT], [u8; HASH])> {
    let (salt, hash) = stored.strip_prefix(&prefix())?.split_once('$')?;
    let bytes = |text| STANDARD_NO_PAD.decode(text).ok();
    Some((bytes(salt)?.try_into().ok()?, bytes(hash)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_verifies() {
        let stored = hash("correct horse", &[7; SALT]);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("wrong horse", Some(&stored)));
    }

    #[test]
    fn without_a_readable_hash_nothing_verifies() {
        for stored in [None, Some(""), Some("$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"), Some("plain")] {
            assert!(!verify("", stored), "{stored:?}");
        }
    }
}
