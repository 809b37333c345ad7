//! API keys: `sk-cf-` and 68 base62 digits that name the account, so that one call to that account
//! can authenticate and reserve.
//!
//! The digits are a big-endian number of 50 bytes: pepper version (1), home (1), account id (16),
//! secret (24), check (8). The check is HMAC-SHA-256 of the first 42 bytes under that version's
//! pepper, truncated. It only spares look-ups for forged keys; the authority is the SHA-256 of the
//! whole key that the account keeps.

use crate::identity::{AccountId, Home};
use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub const PREFIX: &str = "sk-cf-";
/// 62^68 > 2^400.
pub const DIGITS: usize = 68;
const BYTES: usize = 50;
const CHECKED: usize = 42;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a whole key, as text. Compared in constant time.
#[derive(Clone, Copy, Debug, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct KeyHash(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl KeyHash {
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A pepper: the secret under which keys of one version are checked. Dropping one kills its keys.
pub struct Pepper<'a> {
    pub version: u8,
    pub secret: &'a [u8],
}

/// Makes a key from 24 random bytes. The result is shown once and never stored.
pub fn issue(account: AccountId, secret: &[u8; 24], pepper: &Pepper<'_>) -> String {
    let mut bytes = [0; BYTES];
    bytes[0] = pepper.version;
    bytes[1] = account.home.byte();
    bytes[2..18].copy_from_slice(&account.id);
    bytes[18..CHECKED].copy_from_slice(secret);
    let check = check(&bytes[..CHECKED], pepper);
    bytes[CHECKED..].copy_from_slice(&check);
    format!("{PREFIX}{}", to_base62(&bytes))
}

/// A key of the right form. It proves nothing until it is checked.
pub struct UncheckedKey([u8; BYTES]);

impl UncheckedKey {
    pub fn read(key: &str) -> Option<Self> {
        from_base62(key.strip_prefix(PREFIX)?).map(Self)
    }

    /// Which pepper checks it.
    pub const fn pepper_version(&self) -> u8 {
        self.0[0]
    }

    /// The account that the key names, if its check holds under the pepper of its version.
    pub fn check(&self, pepper: &[u8]) -> Option<AccountId> {
        let bytes = &self.0;
        let expected = check(&bytes[..CHECKED], &Pepper { version: bytes[0], secret: pepper });
        if !bool::from(expected.ct_eq(&bytes[CHECKED..])) {
            return None;
        }
        Some(AccountId::new(Home::from_byte(bytes[1])?, bytes[2..18].try_into().ok()?))
    }
}

/// What may be shown of a key for recognition: the prefix and its last four digits.
pub fn preview(key: &str) -> String {
    format!("{PREFIX}…{}", key.get(key.len().saturating_sub(4)..).unwrap_or_default())
}

fn check(bytes: &[u8], pepper: &Pepper<'_>) -> [u8; 8] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(pepper.secret).expect("HMAC takes keys of every length");
    mac.update(bytes);
    let full = mac.finalize().into_bytes();
    core::array::from_fn(|i| full[i])
}

/// Digits are converted ten at a time, since 62^10 fits a machine word.
const GROUP: usize = 10;
const LIMBS: usize = 13;

fn to_base62(bytes: &[u8; BYTES]) -> String {
    let mut limbs = [0u32; LIMBS];
    for (i, byte) in bytes.iter().rev().enumerate() {
        limbs[i / 4] |= u32::from(*byte) << (8 * (i % 4));
    }
    let mut digits = [0u8; DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u64;
        for limb in limbs.iter_mut().rev() {
            let value = (remainder << 32) | u64::from(*limb);
            *limb = (value / 62) as u32;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    digits.iter().map(|d| char::from(*d)).collect()
}

fn from_base62(digits: &str) -> Option<[u8; BYTES]> {
    if digits.len() != DIGITS {
        return None;
    }
    let mut limbs = [0u32; LIMBS];
    for group in digits.as_bytes().chunks(GROUP) {
        let (mut value, mut scale) = (0u64, 1u64);
        for digit in group {
            value = value * 62 + u64::from(digit_value(*digit)?);
            scale *= 62;
        }
        let mut carry = u128::from(value);
        for limb in &mut limbs {
            carry += u128::from(*limb) * u128::from(scale);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            return None;
        }
    }
    if limbs[LIMBS - 1] >> 16 != 0 {
        return None;
    }
    Some(core::array::from_fn(|i| (limbs[(BYTES - 1 - i) / 4] >> (8 * ((BYTES - 1 - i) % 4))) as u8))
}

fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEPPER: Pepper<'static> = Pepper { version: 1, secret: b"a pepper for tests" };

    fn account_of(key: &str) -> Option<AccountId> {
        UncheckedKey::read(key)?.check(PEPPER.secret)
    }

    proptest! {
        #[test]
        fn a_key_names_its_account(id: [u8; 16], secret: [u8; 24], eu: bool) {
            let account = AccountId::new(if eu { Home::Eu } else { Home::Any }, id);
            let key = issue(account, &secret, &PEPPER);
            prop_assert_eq!(key.len(), PREFIX.len() + DIGITS);
            prop_assert_eq!(account_of(&key), Some(account));
        }

        #[test]
        fn a_changed_digit_is_noticed(id: [u8; 16], secret: [u8; 24], at in 0..DIGITS, by in 1u8..62) {
            let key = issue(AccountId::new(Home::Eu, id), &secret, &PEPPER);
            let mut forged = key.into_bytes();
            let at = PREFIX.len() + at;
            forged[at] = ALPHABET[usize::from((digit_value(forged[at]).unwrap() + by) % 62)];
            prop_assert_eq!(account_of(core::str::from_utf8(&forged).unwrap()), None);
        }

        #[test]
        fn no_text_panics(text in ".{0,100}") {
            account_of(&text);
            account_of(&format!("{PREFIX}{text}"));
            preview(&text);
        }
    }

    #[test]
    fn a_key_of_another_pepper_is_dead() {
        let key = issue(AccountId::new(Home::Eu, [1; 16]), &[2; 24], &Pepper { version: 9, secret: b"old" });
        assert_eq!(account_of(&key), None);
    }
}
