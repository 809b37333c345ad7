//! What people are told of a budget: once per threshold and period.

use crate::account::LimitSource;
use crate::identity::RequestId;
use crate::money::NanoEur;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Shares of a limit, in per cent, at which a notice is raised.
pub const THRESHOLDS: [u8; 4] = [50, 80, 95, 100];

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Notice {
    #[n(0)]
    pub tenant_id: String,
    /// Whose budget: a user's or the tenant's.
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
}

impl Notice {
    /// One and the same for every delivery of this notice. `subject` is the account's name, or the tenant's id.
    pub fn id(&self, subject: &str) -> RequestId {
        let Self { source, percent, period_opened_at, .. } = self;
        let name = format!("{}/{}/{percent}", source.as_str(), period_opened_at.as_millis());
        RequestId::of_foreign(&format!("{subject}/notice"), &name)
    }
}
