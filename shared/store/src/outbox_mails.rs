//! Mails that were captured instead of sent, for a developer to read.

use crate::pruning::PRUNED_AT_ONCE;
use domain::threshold_message::MailText;
use domain::time::Timestamp;
use platform::Statement;

const INSERT: &str = "
INSERT INTO outbox_mails (id, recipient, sender, subject, text, html, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING";

/// Safe to repeat under the same id.
pub fn insert(id: &str, recipient: &str, sender: &str, mail: &MailText, now: Timestamp) -> Statement {
    let MailText { subject, text, html } = mail;
    Statement::new(INSERT)
        .bind(id)
        .bind(recipient)
        .bind(sender)
        .bind(subject.as_str())
        .bind(text.as_str())
        .bind(html.as_str())
        .bind(now.as_millis())
}

const PRUNE: &str = "
DELETE FROM outbox_mails WHERE id IN (SELECT id FROM outbox_mails WHERE at < ?1 ORDER BY at LIMIT ?2)
RETURNING id";

/// Drops some from before `before`, and returns a row for each.
pub fn prune(before: Timestamp) -> Statement {
    Statement::new(PRUNE).bind(before.as_millis()).bind(PRUNED_AT_ONCE)
}
