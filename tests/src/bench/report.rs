//! The benchmark's figures, for people and for programs.

use super::{Row, Subject, price};
use crate::load::percentile;
use serde_json::{Value, json};

pub struct Report {
    pub rows: Vec<Row>,
}

/// The figures of one row.
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    first_byte_p50_ms: f64,
    first_byte_p99_ms: f64,
    cpu_seconds_per_thousand: f64,
    ledger_rows_per_request: f64,
    database_rows_per_request: f64,
}

impl Figures {
    fn of(row: &Row) -> Self {
        let requests = (row.measured.requests() as f64).max(1.0);
        let (mut latencies, mut first) =
            (row.measured.latencies_us.clone(), row.measured.first_byte_us.clone());
        let ms = |samples: &mut Vec<u32>, share| f64::from(percentile(samples, share)) / 1_000.0;
        Self {
            per_second: row.measured.per_second(),
            p50_ms: ms(&mut latencies, 0.5),
            p99_ms: ms(&mut latencies, 0.99),
            first_byte_p50_ms: ms(&mut first, 0.5),
            first_byte_p99_ms: ms(&mut first, 0.99),
            cpu_seconds_per_thousand: row.cpu_seconds * 1_000.0 / requests,
            ledger_rows_per_request: row.billed.ledger_rows as f64 / requests,
            database_rows_per_request: row.billed.database_rows as f64 / requests,
        }
    }
}

impl Report {
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.row_json(row)).collect();
        json!({"rows": rows})
    }

    fn row_json(&self, row: &Row) -> Value {
        let figures = Figures::of(row);
        let mut value = json!({
            "subject": row.subject.name(), "shape": row.shape.name(), "connections": row.connections,
            "accounts": row.accounts,
            "requests": row.measured.requests(), "failures": row.measured.failures,
            "first_failure": row.measured.first_failure,
            "requests_per_second": figures.per_second, "p50_ms": figures.p50_ms, "p99_ms": figures.p99_ms,
            "first_byte_p50_ms": figures.first_byte_p50_ms, "first_byte_p99_ms": figures.first_byte_p99_ms,
            "cpu_seconds_per_1000": figures.cpu_seconds_per_thousand,
            "ledger_rows_per_request": figures.ledger_rows_per_request,
            "database_rows_per_request": figures.database_rows_per_request,
        });
        if let Some((cpu, per_second)) = self.ratios(row) {
            value["cpu_ratio"] = cpu.into();
            value["requests_per_second_ratio"] = per_second.into();
        }
        value
    }

    /// Of the proxy to the pass-through: CPU for each request, and requests per second.
    fn ratios(&self, row: &Row) -> Option<(f64, f64)> {
        let same = |other: &&Row| {
            other.subject == Subject::PassThrough
                && (other.shape, other.connections, other.accounts)
                    == (row.shape, row.connections, row.accounts)
        };
        let yardstick = Figures::of(self.rows.iter().find(same)?);
        let figures = (row.subject == Subject::Proxy).then(|| Figures::of(row))?;
        let cpu = figures.cpu_seconds_per_thousand / yardstick.cpu_seconds_per_thousand;
        Some((cpu, figures.per_second / yardstick.per_second))
    }

    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for rows in self.rows.chunk_by(|one, next| (one.shape, one.accounts) == (next.shape, next.accounts)) {
            let (shape, accounts) = (rows[0].shape.name(), rows[0].accounts);
            text += &format!("\n### {shape}, {accounts} account(s) behind the proxy\n\n");
            text += "| connections | | requests/s | p50 ms | p99 ms | first byte p50 / p99 ms | CPU-s/1,000 | rows/request, ledger + database | CPU × | requests/s × | failures |\n";
            text += "|---|---|---|---|---|---|---|---|---|---|---|\n";
            for row in rows {
                text += &self.line(row);
            }
            for row in rows.iter().filter(|row| row.subject == Subject::Proxy && row.billed.object_calls > 0)
            {
                text += &price::of_a_million(row);
            }
        }
        text
    }

    fn line(&self, row: &Row) -> String {
        let figures = Figures::of(row);
        let ratios = self.ratios(row);
        let ratio = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let in_workerd = |text: String| if row.subject == Subject::Direct { "–".to_owned() } else { text };
        let rows = if row.subject == Subject::Proxy {
            format!("{:.2} + {:.2}", figures.ledger_rows_per_request, figures.database_rows_per_request)
        } else {
            "–".into()
        };
        let failure = row.measured.first_failure.as_deref().and_then(|failure| failure.lines().next());
        format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} / {:.2} | {} | {rows} | {} | {} | {} {} |\n",
            row.connections,
            row.subject.name(),
            figures.per_second,
            figures.p50_ms,
            figures.p99_ms,
            figures.first_byte_p50_ms,
            figures.first_byte_p99_ms,
            in_workerd(format!("{:.3}", figures.cpu_seconds_per_thousand)),
            ratio(ratios.map(|(cpu, _)| cpu)),
            ratio(ratios.map(|(_, per_second)| per_second)),
            row.measured.failures,
            failure.unwrap_or_default(),
        )
    }
}
