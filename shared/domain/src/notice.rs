//! What people are told of a budget: once per threshold and period.

use crate::account::LimitSource;
use crate::identity::RequestId;
use crate::money::NanoEur;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Shares of a limit, in per cent, at which a notice is raised.
pub const THRESHOLDS: [u8; 4] = [50, 80, 95, 100];
/// The last is also raised, after this one, when a call is refused since nothing is left for it.
pub const NEARLY: u8 = 95;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Notice {
    #[n(0)]
    pub tenant_id: String,
    /// Whose budget: a user's, a key's or the tenant's.
    #[n(1)]
    pub source: LimitSource,
    /// One of [`THRESHOLDS`].
    #[n(2)]
    pub percent: u8,
    #[n(3)]
    pub used: NanoEur,
    #[n(4)]
    pub limit: NanoEur,
    #[n(5)]
    pub period_opened_at: Timestamp,
    #[n(6)]
    pub resets_at: Timestamp,
    #[n(7)]
    pub at: Timestamp,
    /// Which key, where the budget is one's.
    #[n(8)]
    pub key: Option<NoticeKey>,
}

/// A key as people know it, never its secret.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NoticeKey {
    #[n(0)]
    pub id: String,
    /// May be empty.
    #[n(1)]
    pub name: String,
}

impl Notice {
    /// One and the same for every delivery of this notice. `subject` is the account's name, or the tenant's id.
    pub fn id(&self, subject: &str) -> RequestId {
        let Self { source, percent, period_opened_at, key, .. } = self;
        let mut name = format!("{}/{}/{percent}", source.as_str(), period_opened_at.as_millis());
        if let Some(key) = key {
            name.push('/');
            name.push_str(&key.id);
        }
        RequestId::of_foreign(&format!("{subject}/notice"), &name)
    }
}

/// `used` in whole per cent of `limit`, at most 100. Whatever is used of nothing is all of it.
pub fn percent(used: NanoEur, limit: NanoEur) -> u8 {
    if used <= NanoEur::ZERO {
        return 0;
    }
    if limit <= NanoEur::ZERO {
        return 100;
    }
    let percent = i128::from(used.get()) * 100 / i128::from(limit.get());
    u8::try_from(percent.min(100)).unwrap_or(100)
}
