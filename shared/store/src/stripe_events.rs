//! Stripe's events, each recorded once.

use domain::time::Timestamp;
use platform::{Database, PlatformError, Statement};

#[derive(Clone, Copy, Debug)]
pub struct StripeEvent<'a> {
    pub id: &'a str,
    pub kind: &'a str,
    /// By Stripe's clock.
    pub created: Timestamp,
    /// The event as it was signed.
    pub payload: &'a str,
}

const RECORD: &str = "
INSERT INTO stripe_events (id, type, created_at, received_at, payload) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO NOTHING RETURNING id";

/// Whether the event is new. One statement: of two deliveries at once, one is told so.
pub async fn record(
    database: &impl Database,
    event: &StripeEvent<'_>,
    now: Timestamp,
) -> Result<bool, PlatformError> {
    let statement = Statement::new(RECORD)
        .bind(event.id)
        .bind(event.kind)
        .bind(event.created.as_millis())
        .bind(now.as_millis())
        .bind(event.payload);
    Ok(!database.query(statement).await?.is_empty())
}
