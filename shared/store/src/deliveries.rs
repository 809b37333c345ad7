//! Who is told of a notice, and how far that has come.

use domain::delivery::Channel;
use domain::identity::RequestId;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};
use serde_json::{Value, json};

/// A delivery whose next try is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub notice_id: String,
    pub channel: Channel,
    /// A user's id, or a webhook endpoint's.
    pub target: String,
    /// This try included.
    pub tries: u64,
}

impl Claimed {
    /// One and the same for every try.
    pub fn id(&self) -> RequestId {
        let name = format!("{}/{}", self.channel.as_str(), self.target);
        RequestId::of_foreign(&format!("{}/delivery", self.notice_id), &name)
    }
}

/// All that a try needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub claimed: Claimed,
    pub notice_type: String,
    /// JSON, by type.
    pub data: String,
    pub at: Timestamp,
    pub recipient: Recipient,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Person {
        email: String,
        name: String,
    },
    Endpoint {
        id: String,
        url: String,
        sealed_secret: String,
    },
    /// The person or the endpoint is gone, or the endpoint was switched off.
    Gone,
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered,
    Failed,
    Undeliverable,
    Unconfigured,
}

impl End {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Undeliverable => "undeliverable",
            Self::Unconfigured => "unconfigured",
        }
    }
}

const CLAIM: &str = "
UPDATE deliveries SET tries = tries + 1, next_try_at = ?2
WHERE (notice_id, channel, target) IN (
  SELECT notice_id, channel, target FROM deliveries WHERE status = 'waiting' AND next_try_at <= ?1
  ORDER BY next_try_at LIMIT ?3)
RETURNING notice_id, channel, target, tries";

/// Takes some that are due, the oldest first, in one statement: nobody else tries them before `until`.
pub async fn claim(
    database: &impl Database,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, PlatformError> {
    let statement = Statement::new(CLAIM).bind(now.as_millis()).bind(until.as_millis()).bind(limit);
    database.query(statement).await?.iter().map(claimed).collect()
}

const REVIVE: &str = "
UPDATE deliveries SET status = 'waiting', next_try_at = ?1, ended_at = NULL
WHERE (notice_id, channel, target) IN (
  SELECT notice_id, channel, target FROM deliveries WHERE status = 'unconfigured' AND ended_at > ?2
  ORDER BY ended_at LIMIT ?3)";

/// Makes some due that were given up after `after` since nothing was configured that could send them. Tries and id
/// stay what they were.
pub fn revive(now: Timestamp, after: Timestamp, limit: i64) -> Statement {
    Statement::new(REVIVE).bind(now.as_millis()).bind(after.as_millis()).bind(limit)
}

const LOAD: &str = "
SELECT d.notice_id, d.channel, d.target, d.tries, n.type, n.data, n.at, u.email, u.name, w.url, w.sealed_secret
FROM json_each(?1) j
CROSS JOIN deliveries d
  ON d.notice_id = j.value ->> 0 AND d.channel = j.value ->> 1 AND d.target = j.value ->> 2
CROSS JOIN notices n ON n.id = d.notice_id
LEFT JOIN users u ON u.id = d.target AND d.channel = 'mail'
LEFT JOIN webhook_endpoints w ON w.id = d.target AND d.channel = 'webhook' AND w.active = 1";

/// What is to be sent, as the rows say now.
pub async fn load(database: &impl Database, claimed: &[Claimed]) -> Result<Vec<Message>, PlatformError> {
    let keys: Vec<Value> =
        claimed.iter().map(|one| json!([one.notice_id, one.channel.as_str(), one.target])).collect();
    let rows = database.query(Statement::new(LOAD).bind(Value::from(keys).to_string())).await?;
    rows.iter().map(message).collect()
}

const ENDED: &str = "
UPDATE deliveries SET status = ?5, last_answer = ?6, ended_at = ?7
WHERE notice_id = ?1 AND channel = ?2 AND target = ?3 AND status = 'waiting'
  AND (tries = ?4 OR ?5 = 'delivered')";

/// The last try. What arrived has arrived; any other end counts only where nobody else tried meanwhile.
pub fn ended(claimed: &Claimed, end: End, answer: &str, now: Timestamp) -> Statement {
    of(ENDED, claimed).bind(end.as_str()).bind(answer).bind(now.as_millis())
}

const AGAIN: &str = "
UPDATE deliveries SET next_try_at = ?5, last_answer = ?6
WHERE notice_id = ?1 AND channel = ?2 AND target = ?3 AND status = 'waiting' AND tries = ?4";

pub fn again(claimed: &Claimed, at: Timestamp, answer: &str) -> Statement {
    of(AGAIN, claimed).bind(at.as_millis()).bind(answer)
}

fn of(sql: &'static str, claimed: &Claimed) -> Statement {
    let Claimed { notice_id, channel, target, tries } = claimed;
    Statement::new(sql)
        .bind(notice_id.as_str())
        .bind(channel.as_str())
        .bind(target.as_str())
        .bind(i64::try_from(*tries).unwrap_or(i64::MAX))
}

fn claimed(row: &Row) -> Result<Claimed, PlatformError> {
    Ok(Claimed {
        notice_id: row.text("notice_id")?.to_owned(),
        channel: Channel::parse(row.text("channel")?).ok_or_else(|| crate::malformed("channel"))?,
        target: row.text("target")?.to_owned(),
        tries: crate::unsigned(row, "tries")?,
    })
}

fn message(row: &Row) -> Result<Message, PlatformError> {
    let claimed = claimed(row)?;
    let recipient = match (row.optional_text("email")?, row.optional_text("url")?) {
        (Some(email), _) => Recipient::Person { email: email.to_owned(), name: row.text("name")?.to_owned() },
        (None, Some(url)) => Recipient::Endpoint {
            id: claimed.target.clone(),
            url: url.to_owned(),
            sealed_secret: row.text("sealed_secret")?.to_owned(),
        },
        (None, None) => Recipient::Gone,
    };
    Ok(Message {
        claimed,
        notice_type: row.text("type")?.to_owned(),
        data: row.text("data")?.to_owned(),
        at: crate::instant(row, "at")?,
        recipient,
    })
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 5] = [CLAIM, REVIVE, LOAD, ENDED, AGAIN];
