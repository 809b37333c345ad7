//! Corrections, resets, top-ups and refunds that somebody ordered, each once.
//!
//! The order is recorded and audited in one commit, then the account is asked, then the answer is noted. Whatever
//! dies in between, [`finish_open_slice`] goes on: the account knows the id, so nothing takes effect twice; and
//! the rows are kept for ever, so that an id is recognised long after the account forgot it.

mod perform;
#[cfg(test)]
mod tests;

pub use perform::{OpenSlice, Performed, finish_open_slice, perform};

use domain::account::{Adjust, Command, Refund, Reset, TopUp};
use domain::identity::{AccountId, RequestId};
use domain::money::NanoEur;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Corrects the current period: positive charges, negative credits.
    Adjustment,
    /// Opens a new period.
    Reset,
    /// Adds money that carries over.
    TopUp,
    /// Takes back money that was paid.
    Refund,
}

impl OperationKind {
    const ALL: [Self; 4] = [Self::Adjustment, Self::Reset, Self::TopUp, Self::Refund];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adjustment => "adjustment",
            Self::Reset => "reset",
            Self::TopUp => "top_up",
            Self::Refund => "refund",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// As the audit log names it.
    const fn action(self) -> &'static str {
        match self {
            Self::Adjustment => "account.adjust",
            Self::Reset => "account.reset",
            Self::TopUp => "account.top_up",
            Self::Refund => "account.refund",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub account: AccountId,
    /// As the caller wrote it; unique within the account, whatever the kind.
    pub operation_id: String,
    pub kind: OperationKind,
    /// Zero for a reset.
    pub amount: NanoEur,
    pub reason: String,
    /// For the audit log.
    pub actor: String,
}

impl Operation {
    /// The id that account and table know it by.
    pub fn id(&self) -> RequestId {
        RequestId::of_foreign(&format!("{}/operation", self.account), &self.operation_id)
    }

    /// Whether a repetition means the same; who repeats it does not matter.
    fn means(&self, other: &Self) -> bool {
        (self.account, self.kind, self.amount, &self.reason)
            == (other.account, other.kind, other.amount, &other.reason)
    }

    fn command(&self) -> Command {
        let (operation_id, amount) = (self.id(), self.amount);
        match self.kind {
            OperationKind::Adjustment => {
                Command::Adjust(Adjust { operation_id, amount, reason: self.reason.clone() })
            }
            OperationKind::Reset => Command::Reset(Reset { operation_id }),
            OperationKind::TopUp => Command::TopUp(TopUp { operation_id, amount }),
            OperationKind::Refund => Command::Refund(Refund { operation_id, amount }),
        }
    }
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    TookEffect {
        charged: NanoEur,
        /// What was free right after it.
        remaining: NanoEur,
    },
    /// `closed`, `too_many_resets`, `no_such_user`, or `does_not_fit:` and the most that did, in euros: it never
    /// takes effect under this id.
    Refused(String),
}

const DOES_NOT_FIT: &str = "does_not_fit:";

fn does_not_fit(most: NanoEur) -> String {
    format!("{DOES_NOT_FIT}{most}")
}

/// The most that would have fit, in euros, if a refusal says that its amount did not.
pub fn most_that_fits(refusal: &str) -> Option<&str> {
    refusal.strip_prefix(DOES_NOT_FIT)
}

struct Recorded {
    operation: Operation,
    recorded_at: Timestamp,
    done: Option<Done>,
}

const AUDIT: &str = "
INSERT INTO audit_log (at, actor, action, object, after)
SELECT ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM operations WHERE id = ?1)";

const RECORD: &str = "
INSERT INTO operations (id, account_id, operation_id, kind, amount_nano_eur, reason, actor, recorded_at, tried_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT DO NOTHING";

/// Records the order and audits it. What is recorded already stays as it is, and is not audited again.
fn record(operation: &Operation, now: Timestamp) -> Vec<Statement> {
    let Operation { account, operation_id, kind, amount, reason, actor } = operation;
    let id = operation.id().to_string();
    let after = json!({ "operation_id": operation_id, "amount_nano_eur": amount.get(), "reason": reason });
    vec![
        Statement::new(AUDIT)
            .bind(id.as_str())
            .bind(now.as_millis())
            .bind(actor.as_str())
            .bind(kind.action())
            .bind(format!("user:{account}"))
            .bind(after.to_string()),
        Statement::new(RECORD)
            .bind(id)
            .bind(account.to_string())
            .bind(operation_id.as_str())
            .bind(kind.as_str())
            .bind(amount.get())
            .bind(reason.as_str())
            .bind(actor.as_str())
            .bind(now.as_millis()),
    ]
}

const AUDIT_REFUSAL: &str = "
INSERT INTO audit_log (at, actor, action, object, after)
SELECT ?2, actor, 'account.operation_refused', 'user:' || account_id, ?3
FROM operations WHERE id = ?1 AND done_at IS NULL";

const NOTE: &str = "
UPDATE operations SET done_at = ?2, refusal = ?3, charged_nano_eur = ?4, remaining_nano_eur = ?5
WHERE id = ?1 AND done_at IS NULL";

/// Notes the account's answer, once.
fn note(operation: &Operation, done: &Done, now: Timestamp) -> Vec<Statement> {
    let id = operation.id().to_string();
    let (refusal, charged, remaining) = match done {
        Done::TookEffect { charged, remaining } => (None, Some(charged.get()), Some(remaining.get())),
        Done::Refused(reason) => (Some(reason.as_str()), None, None),
    };
    let mut statements = Vec::new();
    if let Some(refusal) = refusal {
        // The order is in the audit log already: that it came to nothing must be, too.
        let after = json!({ "operation_id": operation.operation_id, "refusal": refusal });
        let audit = Statement::new(AUDIT_REFUSAL);
        statements.push(audit.bind(id.as_str()).bind(now.as_millis()).bind(after.to_string()));
    }
    let note = Statement::new(NOTE).bind(id).bind(now.as_millis());
    statements.push(note.bind(refusal).bind(charged).bind(remaining));
    statements
}

const TRIED: &str = "UPDATE operations SET tried_at = ?2 WHERE id = ?1 AND done_at IS NULL";

/// The next slice begins with others.
fn tried(operation: &Operation, now: Timestamp) -> Statement {
    Statement::new(TRIED).bind(operation.id().to_string()).bind(now.as_millis())
}

const FIND: &str = "
SELECT account_id, operation_id, kind, amount_nano_eur, reason, actor, recorded_at, done_at, refusal,
  charged_nano_eur, remaining_nano_eur
FROM operations WHERE id = ?1";

async fn find(database: &impl Database, id: RequestId) -> Result<Option<Recorded>, PlatformError> {
    let rows = database.query(Statement::new(FIND).bind(id.to_string())).await?;
    rows.first().map(of_row).transpose()
}

const OPEN: &str = "
SELECT account_id, operation_id, kind, amount_nano_eur, reason, actor, recorded_at, done_at, refusal,
  charged_nano_eur, remaining_nano_eur
FROM operations WHERE done_at IS NULL AND tried_at <= ?1 ORDER BY tried_at, id LIMIT ?2";

async fn open(
    database: &impl Database,
    tried_until: Timestamp,
    limit: i64,
) -> Result<Vec<Recorded>, PlatformError> {
    let rows = database.query(Statement::new(OPEN).bind(tried_until.as_millis()).bind(limit)).await?;
    rows.iter().map(of_row).collect()
}

fn of_row(row: &Row) -> Result<Recorded, PlatformError> {
    let money = |column| Ok::<_, PlatformError>(NanoEur::saturating(row.integer(column)?));
    let done = match (row.optional_integer("done_at")?, row.optional_text("refusal")?) {
        (None, _) => None,
        (Some(_), Some(refusal)) => Some(Done::Refused(refusal.to_owned())),
        (Some(_), None) => Some(Done::TookEffect {
            charged: money("charged_nano_eur")?,
            remaining: money("remaining_nano_eur")?,
        }),
    };
    let operation = Operation {
        account: AccountId::parse(row.text("account_id")?).ok_or_else(|| crate::malformed("account_id"))?,
        operation_id: row.text("operation_id")?.to_owned(),
        kind: OperationKind::parse(row.text("kind")?).ok_or_else(|| crate::malformed("kind"))?,
        amount: money("amount_nano_eur")?,
        reason: row.text("reason")?.to_owned(),
        actor: row.text("actor")?.to_owned(),
    };
    Ok(Recorded { operation, recorded_at: crate::instant(row, "recorded_at")?, done })
}
