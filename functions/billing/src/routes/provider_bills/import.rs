use crate::caller::{Caller, Scope};
use bytes::Bytes;
use domain::money::{MAX_NANO_EUR, NanoEur};
use domain::reconciliation::Item;
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use std::collections::BTreeMap;
use store::audit_log;
use store::provider_bills::{self, Amount, LINES_MAX};

const FIELDS: &[&str] = &["provider", "model", "day", "amount_nano_usd", "amount_usd"];

/// `POST /api/provider-bills`, JSON lines `{provider, model, day, amount_nano_usd | amount_usd}`: what a
/// provider bills for a model (as the provider names it) and a UTC day. `amount_usd` is a decimal text. All
/// lines or none; an amount replaces the one that was imported before. 200 with the number of `lines` and of
/// those that `changed` anything, so a repeated import answers 0. For platform-wide keys.
pub async fn import(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::ReconciliationWrite).await?;
    caller.check_platform_wide()?;
    let lines = lines(request.body())?;
    let changes = changes(&provider_bills::stored(platform, &lines).await?, &lines);
    if !changes.is_empty() {
        let now = platform.now();
        let entry = audit_log::Entry {
            actor: &caller.actor(),
            action: "provider_bills.import",
            object: "provider_bills",
            after: object!({ "lines": lines.len(), "changed": changes }),
        };
        let statements = vec![provider_bills::replace(&lines, now), audit_log::insert(&entry, now)];
        platform.commit(statements).await?;
    }
    Ok(json(StatusCode::OK, &object!({ "lines": lines.len(), "changed": changes.len() })))
}

/// Each item once; empty lines are skipped.
fn lines(body: &[u8]) -> Result<Vec<Amount>, Problem> {
    let mut items = BTreeMap::new();
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let number = index + 1;
        let (item, amount) = self::line(line).map_err(|problem| in_line(number, problem))?;
        if items.len() >= LINES_MAX {
            let message = format!("An import has at most {LINES_MAX} lines. Send the rest in another.");
            return Err(Problem::bad_request("too_many_lines", message));
        }
        if let Some((earlier, _)) = items.insert(item, (number, amount)) {
            let message =
                format!("it names the provider, model and day of line {earlier}. Send their sum once.");
            return Err(in_line(number, Problem::bad_request("duplicate_line", message)));
        }
    }
    if items.is_empty() {
        return Err(Problem::bad_request("invalid_json", "The body must be JSON objects, one a line."));
    }
    Ok(items.into_iter().map(|(item, (_, amount))| (item, amount)).collect())
}

fn in_line(number: usize, mut problem: Problem) -> Problem {
    problem.message = format!("Line {number}: {}", problem.message);
    problem.detail("line", number)
}

fn line(line: &[u8]) -> Result<Amount, Problem> {
    let fields = Fields::parse(line, FIELDS)?;
    let day = fields.text("day")?;
    let day = day_of(day).ok_or_else(|| fields.refuse("day", "a UTC day like \"2027-01-31\""))?;
    let item = Item { day, provider: fields.text("provider")?.into(), model: fields.text("model")?.into() };
    let nano = fields.optional_integer("amount_nano_usd", 0..=MAX_NANO_EUR)?;
    let amount = match (nano, fields.optional_text("amount_usd")?) {
        (Some(nano), None) => nano,
        (None, Some(text)) => nano_usd(text).ok_or_else(|| {
            fields.refuse(
                "amount_usd",
                "dollars from 0 to 9007199.254740991 like \"12.50\", at most nine decimals",
            )
        })?,
        _ => return Err(fields.refuse("amount_nano_usd", "given, or else `amount_usd`, and not both")),
    };
    Ok((item, amount.into()))
}

/// `2027-01-31`, as the first instant of that UTC day.
pub fn day_of(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).filter(|day| *day >= Timestamp::EPOCH)
}

/// Decimals of a dollar are written, read and bounded as those of a euro.
fn nano_usd(text: &str) -> Option<i64> {
    NanoEur::parse_euros(text).ok().map(NanoEur::get).filter(|nano| *nano >= 0)
}

/// For the audit log: every amount that is new or differs, with the one it replaces.
fn changes(stored: &[Amount], lines: &[Amount]) -> Vec<Value> {
    let stored: BTreeMap<&Item, i128> = stored.iter().map(|(item, amount)| (item, *amount)).collect();
    lines
        .iter()
        .filter(|(item, amount)| stored.get(item) != Some(amount))
        .map(|(item, amount)| {
            object!({
                "provider": item.provider,
                "model": item.model,
                "day": item.day.to_rfc3339().get(..10),
                "before_nano_usd": stored.get(item).map(|before| before.to_string()),
                "after_nano_usd": amount.to_string(),
            })
        })
        .collect()
}
