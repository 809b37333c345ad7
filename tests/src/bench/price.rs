//! What a million calls cost on Cloudflare's price list, from what was measured of some.
//!
//! Prices are the paid plan's beyond what it includes, in US dollars: <https://developers.cloudflare.com/workers/platform/pricing/>,
//! <https://developers.cloudflare.com/durable-objects/platform/pricing/>, <https://developers.cloudflare.com/d1/platform/pricing/>.
//! CPU is that of the whole process, objects and database included, which the platform does not bill as CPU: an upper
//! bound. An object that was called is taken to be active all the time; rows read are left out, at a thousandth of the price of rows written.

use super::Row;

const MILLION: f64 = 1e6;
const REQUESTS: f64 = 0.30 / MILLION;
const CPU_MS: f64 = 0.02 / MILLION;
const OBJECT_CALLS: f64 = 0.15 / MILLION;
const OBJECT_GB_SECONDS: f64 = 12.50 / MILLION;
const ROWS_WRITTEN: f64 = 1.00 / MILLION;
/// Whatever an object uses.
const OBJECT_GB: f64 = 0.128;

/// A line of Markdown: the sum, its parts, the biggest first.
pub fn of_a_million(row: &Row) -> String {
    let requests = (row.measured.requests() as f64).max(1.0);
    let per_million = |dollars: f64| dollars / requests * MILLION;
    let seconds = row.measured.elapsed.as_secs_f64();
    let objects = row.accounts.min(row.measured.requests());
    let mut parts = [
        ("requests", REQUESTS * requests),
        ("CPU", CPU_MS * row.cpu_seconds * 1_000.0),
        ("calls to objects", OBJECT_CALLS * row.billed.object_calls as f64),
        ("objects' time", OBJECT_GB_SECONDS * OBJECT_GB * seconds * objects as f64),
        ("rows of the ledger", ROWS_WRITTEN * row.billed.ledger_rows as f64),
        ("rows of the database", ROWS_WRITTEN * row.billed.database_rows as f64),
    ]
    .map(|(name, dollars)| (name, per_million(dollars)));
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    let sum: f64 = parts.iter().map(|(_, dollars)| dollars).sum();
    let parts = parts.map(|(name, dollars)| format!("{name} ${dollars:.2}")).join(", ");
    format!("\nA million of these calls at {} connections: **${sum:.2}** ({parts}).\n", row.connections)
}
