//! Usage rows as CSV (RFC 4180): the columns are a promise, new ones are added at the end.

use crate::routes::usage::request_id;
use serde_json::Value;
use store::usage_report::UsageEntry;

pub const HEADING: &str = "timestamp,kind,request_id,operation_id,tenant_id,user_id,api_key_id,model,provider,region,\
upstream_model,tokens_input,tokens_cached,tokens_cache_write,tokens_output,tokens_reasoning,tokens_audio_input,\
tokens_audio_output,cost_eur,overrun_eur,provider_cost_nano_usd,margin_basis_points,eur_per_usd_millionths,\
price_version,period_opened_at,estimated,status,latency_ms,first_token_ms,tags,note\r\n";

/// One row with its line end. Amounts are decimal euros, tags a JSON list, what is unknown is empty.
pub fn line(row: &UsageEntry) -> String {
    let usage = &row.usage;
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let cells = [
        row.at.to_rfc3339(),
        text(&row.kind),
        text(&request_id(row)),
        row.request_id.to_string(),
        text(&row.tenant_id),
        row.account.to_string(),
        text(row.key_id.as_deref().unwrap_or_default()),
        text(&row.model),
        text(&row.provider),
        text(&row.region),
        text(&row.upstream_model),
        usage.total_input().to_string(),
        usage.cached_input.to_string(),
        usage.cache_write.to_string(),
        usage.total_output().to_string(),
        usage.reasoning.to_string(),
        usage.audio_input.to_string(),
        usage.audio_output.to_string(),
        row.cost.to_string(),
        row.overrun.to_string(),
        row.provider_cost_nano_usd.to_string(),
        row.tariff.margin_basis_points.to_string(),
        row.tariff.eur_per_usd_millionths.to_string(),
        row.tariff.price_version.to_string(),
        row.period_opened_at.to_rfc3339(),
        row.estimated.to_string(),
        text(&row.outcome),
        number(row.latency_ms),
        number(row.first_token_ms),
        text(&Value::from(row.tags.as_slice()).to_string()),
        text(row.note.as_deref().unwrap_or_default()),
    ];
    cells.join(",") + "\r\n"
}

/// A text that others wrote. A spreadsheet would run one that begins like a formula, so an apostrophe goes
/// before it, which shows it as text.
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_never_formulas() {
        for (written, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(text(written), cell, "{written:?}");
        }
    }

    #[test]
    fn the_heading_names_its_columns_once() {
        let columns: Vec<_> = HEADING.trim_end().split(',').collect();
        let distinct: std::collections::BTreeSet<_> = columns.iter().collect();
        assert_eq!((columns.len(), distinct.len()), (31, 31));
    }
}
