//! What an account can be asked. Every command that changes money carries an operation id and may be
//! repeated safely.

use super::{Configuration, Served};
use crate::api_key::KeyHash;
use crate::identity::RequestId;
use crate::lease::Grant;
use crate::money::NanoEur;
use crate::price::{Tariff, Usage};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Command {
    #[n(0)]
    Configure(#[n(0)] Box<Configure>),
    #[n(1)]
    Reserve(#[n(0)] Box<Reserve>),
    #[n(2)]
    Checkpoint(#[n(0)] Checkpoint),
    #[n(3)]
    Settle(#[n(0)] Box<Settle>),
    #[n(4)]
    Release(#[n(0)] Release),
    #[n(5)]
    TopUp(#[n(0)] TopUp),
    #[n(6)]
    Adjust(#[n(0)] Adjust),
    #[n(7)]
    Reset(#[n(0)] Reset),
    #[n(8)]
    Inspect,
    #[n(9)]
    Report(#[n(0)] Box<Report>),
    /// Sent by the host when something is due.
    #[n(10)]
    Wake,
    /// Who is this, and may they act? Reserves nothing.
    #[n(11)]
    Authorize(#[n(0)] KeyHash),
    #[n(12)]
    Refund(#[n(0)] Refund),
    /// Lowers what is leased from the tenant's pool to what is needed, and tells the pool. Permits of batches up to the
    /// named one are void.
    #[n(13)]
    GiveBack(
        #[n(0)]
        #[cbor(default)]
        u64,
    ),
}

/// The directory's rows for this account, as one versioned snapshot. Never carries spend.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Configure {
    #[n(0)]
    pub configuration: Configuration,
}

/// Admits a call, or says why not.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Reserve {
    #[n(0)]
    pub request_id: RequestId,
    /// Absent for a hold that a trusted service asks for.
    #[n(1)]
    pub key: Option<KeyHash>,
    /// The model as the caller names it.
    #[n(2)]
    pub model: String,
    /// The version of the routing snapshot that prices and targets come from.
    #[n(3)]
    pub routing_version: u64,
    /// The most that the call can use, at the dearest target it may reach.
    #[n(4)]
    pub worst_case: Usage,
    /// What an expired hold without checkpoint is charged for: the input, estimated.
    #[n(5)]
    pub input_estimate: Usage,
    #[n(6)]
    pub tariff: Tariff,
    #[n(7)]
    pub valid_until: Timestamp,
    /// Whether the output ceiling may be lowered to what is affordable.
    #[n(8)]
    pub clamp: bool,
    /// How many choices share the output ceiling; a clamp keeps it divisible.
    #[n(9)]
    pub choices: u32,
    #[n(10)]
    pub served: Served,
    #[n(11)]
    pub tags: Vec<String>,
    /// The pool's answer to an earlier [`super::Reply::NeedsGrant`].
    #[n(12)]
    pub grant: Option<Box<Grant>>,
    /// A hold of this amount, whatever the usage costs: for who knows the price and not the tokens. Such a
    /// hold is ended by the [`Report`] that names it; if it runs out, nothing is charged.
    #[n(13)]
    pub amount: Option<NanoEur>,
    /// How often the pool was asked for this call. Whoever comes again finds the money taken by other calls of
    /// the account, and asks for more at once.
    #[n(14)]
    pub asked: u8,
    /// Where the account has named its time, [`super::Moment::ends`]; `valid_until` is then of that time. Such a
    /// request is under an id of its own, which no earlier message bears.
    #[n(15)]
    pub after_ends: Option<u64>,
}

/// What was used so far, cumulative; extends the hold.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Checkpoint {
    #[n(0)]
    pub request_id: RequestId,
    #[n(1)]
    pub usage: Usage,
}

/// Ends a hold with what the call used.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Settle {
    #[n(0)]
    pub request_id: RequestId,
    #[n(1)]
    pub usage: Usage,
    /// Whether `usage` is our estimate and not the provider's count.
    #[n(2)]
    pub estimated: bool,
    /// The target that served, where it was not the one reserved for.
    #[n(3)]
    pub served: Option<Served>,
    /// The HTTP status or the way the call ended: `200`, `client_closed`, `truncated` …
    #[n(4)]
    pub outcome: String,
    #[n(5)]
    pub latency_ms: u64,
    #[n(6)]
    pub first_token_ms: Option<u64>,
}

/// Ends a hold without charge: no byte of an answer reached the caller.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Release {
    #[n(0)]
    pub request_id: RequestId,
    /// As in the `Reserve`, which may still be on its way.
    #[n(1)]
    pub valid_until: Timestamp,
}

/// Usage that happened elsewhere: charged in full, whatever is left.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Report {
    #[n(0)]
    pub operation_id: RequestId,
    #[n(1)]
    pub model: String,
    #[n(2)]
    pub usage: Usage,
    /// The cost, where the caller states it; otherwise the tariff's price.
    #[n(3)]
    pub cost: Option<NanoEur>,
    #[n(4)]
    pub tariff: Tariff,
    #[n(5)]
    pub served: Served,
    #[n(6)]
    pub tags: Vec<String>,
    /// The id as the caller wrote it, for the usage row.
    #[n(7)]
    pub foreign_id: String,
    /// A hold of [`Reserve::amount`] that this report ends.
    #[n(8)]
    pub hold: Option<RequestId>,
}

/// Takes money back that was paid: from the free top-up; what that does not cover is debt, which the next
/// top-up pays.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Refund {
    #[n(0)]
    pub operation_id: RequestId,
    #[n(1)]
    pub amount: NanoEur,
}

/// Opens a new period now. Holds and the tenant's spend stay with the old one.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Reset {
    #[n(0)]
    pub operation_id: RequestId,
}

/// Adds money that carries over.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct TopUp {
    #[n(0)]
    pub operation_id: RequestId,
    #[n(1)]
    pub amount: NanoEur,
}

/// Corrects the current period by hand: positive charges, negative credits.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Adjust {
    #[n(0)]
    pub operation_id: RequestId,
    #[n(1)]
    pub amount: NanoEur,
    #[n(2)]
    pub reason: String,
}
