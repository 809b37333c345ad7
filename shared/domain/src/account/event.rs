//! What an account tells the world: rows that are appended and never changed, whose costs sum to the
//! account's counter.

use crate::identity::RequestId;
use crate::lease::Want;
use crate::money::NanoEur;
use crate::notice::Notice;
use crate::price::{Tariff, Usage};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Usage(#[n(0)] Box<UsageRow>),
    #[n(1)]
    Notice(#[n(0)] Box<Notice>),
    /// For the tenant's pool of this name.
    #[n(2)]
    Pool(#[n(0)] String, #[n(1)] Box<Want>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RowKind {
    #[n(0)]
    Call,
    /// The difference that a late settlement made to an expired hold's row.
    #[n(1)]
    Correction,
    /// Usage that happened elsewhere.
    #[n(2)]
    Report,
    #[n(3)]
    Adjustment,
}

impl RowKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Correction => "correction",
            Self::Report => "report",
            Self::Adjustment => "adjustment",
        }
    }
}

/// Which target answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Served {
    #[n(0)]
    pub provider: String,
    #[n(1)]
    pub region: String,
    #[n(2)]
    pub upstream_model: String,
}

/// One row of the usage log. It reproduces its own price from the tariff it carries.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct UsageRow {
    #[n(0)]
    pub request_id: RequestId,
    #[n(1)]
    pub kind: RowKind,
    #[n(2)]
    pub tenant_id: String,
    #[n(3)]
    pub key_id: Option<String>,
    #[n(4)]
    pub model: String,
    #[n(5)]
    pub served: Served,
    /// A correction's usage and provider cost are the whole call's: they replace those of the row that
    /// it corrects, while cost and overrun are differences.
    #[n(6)]
    pub usage: Usage,
    /// What was charged.
    #[n(7)]
    pub cost: NanoEur,
    #[n(8)]
    pub overrun: NanoEur,
    #[n(9)]
    pub provider_cost_nano_usd: u64,
    #[n(10)]
    pub tariff: Tariff,
    /// Which period the cost counts in.
    #[n(11)]
    pub period_opened_at: Timestamp,
    /// Whether the usage is our estimate and not the provider's count.
    #[n(12)]
    pub estimated: bool,
    #[n(13)]
    pub outcome: String,
    #[n(14)]
    pub latency_ms: Option<u64>,
    #[n(15)]
    pub first_token_ms: Option<u64>,
    #[n(16)]
    pub tags: Vec<String>,
    /// Of a call the time that is in its id, when the request came in; of others when they were charged.
    #[n(17)]
    pub at: Timestamp,
    /// The id as the caller of `usage/log` wrote it, or the reason of an adjustment.
    #[n(18)]
    pub note: Option<String>,
}
