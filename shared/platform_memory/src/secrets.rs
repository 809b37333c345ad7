//! Secrets by name, made up for each test.

use crate::MemoryPlatform;
use crate::chance::Seeded;
use core::cell::RefCell;
use platform::{PlatformError, Secret, Secrets};
use std::collections::BTreeMap;

/// What the functions ask for, each 32 bytes in hexadecimal.
const GENERATED: [&str; 4] =
    ["API_KEY_PEPPER_1", "PROVIDER_KEYS_KEY_1", "SESSION_KEY_P256", "STRIPE_WEBHOOK_SECRETS"];

pub(crate) struct Named(RefCell<BTreeMap<String, Secret>>);

impl Named {
    pub(crate) fn none() -> Self {
        Self(RefCell::default())
    }

    pub(crate) fn generated(chance: &Seeded) -> Self {
        let secret = |name: &str| {
            let mut bytes = [0; 32];
            chance.fill(&mut bytes);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            (name.to_owned(), Secret::new(hex))
        };
        Self(RefCell::new(GENERATED.into_iter().map(secret).collect()))
    }
}

impl MemoryPlatform {
    pub fn set_secret(&self, name: &str, value: &str) {
        self.0.secrets.0.borrow_mut().insert(name.to_owned(), Secret::new(value));
    }

    pub fn remove_secret(&self, name: &str) {
        self.0.secrets.0.borrow_mut().remove(name);
    }
}

impl Secrets for MemoryPlatform {
    async fn secret(&self, name: &str) -> Result<Secret, PlatformError> {
        self.0.secrets.0.borrow().get(name).cloned().ok_or_else(|| PlatformError::not_configured(name))
    }
}
