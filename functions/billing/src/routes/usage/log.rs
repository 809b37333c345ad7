use crate::caller::{Caller, Scope, user_closed};
use crate::ledger;
use crate::limit_fields::AMOUNT_MAX;
use bytes::Bytes;
use domain::account::{Command, OPERATION_MEMORY, Refusal, Reply, Report, RowKind, Served, Settled};
use domain::identity::{AccountId, RequestId};
use domain::money::NanoEur;
use domain::price::{PriceError, Tariff, Usage};
use domain::routing::{RoutingSnapshot, Target};
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Fields, Problem, json};
use platform::{Body, Platform};
use serde_json::json as object;
use store::{routing_snapshots, usage_report};

/// Tags of one report.
const TAGS_MAX: usize = 16;
const FIELDS: &[&str] = &[
    "request_id",
    "user_id",
    "model",
    "tokens_input",
    "tokens_output",
    "tokens_cached",
    "tokens_reasoning",
    "provider",
    "cost",
    "tags",
    "timestamp",
    "hold_id",
];

/// `POST /api/usage/log` `{request_id, user_id, model, tokens_input, tokens_output, tokens_cached?,
/// tokens_reasoning?, provider?, cost?, tags?, timestamp?, hold_id?}`: usage that happened elsewhere, charged in
/// full through the ledger, once per `request_id` and user. A `hold_id` of `check-budget` ends in the same step.
///
/// `tokens_input` includes the cached ones, `tokens_output` the reasoning; both may be absent where `cost` (euros) is
/// stated. Without it the
/// tenant's price list decides; a model or unit without a price is refused, never free. 200, also when
/// repeated: then with `repeated: true` and the first cost.
///
/// Usage counts in the period in which its report arrives, and its row bears that time. `timestamp` only says how
/// old it is: older than [`OPERATION_MEMORY`] it is refused, 400 `too_old`, since its `request_id` may have been
/// forgotten. Ids are remembered by the account for that long and by usage rows as long as those are kept, at
/// least 93 days. Without `timestamp` a report is of now, so its `request_id` must not be repeated later than
/// that.
pub async fn log(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let caller = Caller::of(platform, request, Scope::UsageWrite).await?;
    let fields = Fields::parse(request.body(), FIELDS)?;
    let stated = Stated::read(&fields, platform.now())?;
    let (account, tenant_id) = caller.account(platform, stated.user_id).await?;
    let operation_id = RequestId::of_foreign(&format!("{account}/usage-log"), stated.request_id);
    if let Some(cost) = logged_before(platform, account, operation_id).await? {
        let remaining = ledger::balance(platform, account).await?.remaining;
        let settled = Settled { charged: cost, overrun: NanoEur::ZERO, remaining };
        return Ok(answer(account, stated.request_id, &settled, true));
    }
    let (tariff, served) = priced(platform, &fields, &tenant_id, &stated).await?;
    let command = Report {
        operation_id,
        model: stated.model.to_owned(),
        usage: stated.usage,
        cost: stated.cost,
        tariff,
        served,
        tags: stated.tags,
        foreign_id: stated.request_id.to_owned(),
        hold: stated.hold_id.map(|hold_id| ledger::hold(account, hold_id)),
    };
    match ledger::ask(platform, account, Command::Report(Box::new(command))).await? {
        Reply::Settled(settled) => Ok(answer(account, stated.request_id, &settled, false)),
        Reply::Repeated(settled) => Ok(answer(account, stated.request_id, &settled, true)),
        Reply::Refused(Refusal::Closed) => Err(user_closed().into()),
        Reply::Refused(Refusal::DoesNotFit(most)) => {
            let param = if stated.cost.is_some() { "cost" } else { "tokens_output" };
            Err(ledger::does_not_fit(param, &most.to_string()).into())
        }
        Reply::Refused(Refusal::Unpriced) => Err(Problem::unpriced_model(stated.model).into()),
        other => Err(ledger::unexpected(&other)),
    }
}

/// The report as its sender states it: read as a whole before anything is asked, so that its id stays free until all of
/// it can be taken as meant.
struct Stated<'a> {
    user_id: &'a str,
    request_id: &'a str,
    model: &'a str,
    usage: Usage,
    /// Neither negative nor absurd.
    cost: Option<NanoEur>,
    provider: Option<&'a str>,
    tags: Vec<String>,
    hold_id: Option<&'a str>,
}

impl<'a> Stated<'a> {
    fn read(fields: &'a Fields, now: Timestamp) -> Result<Self, Problem> {
        check_age(fields, now)?;
        let cost = fields.euros_within("cost", NanoEur::ZERO, AMOUNT_MAX)?;
        Ok(Self {
            user_id: fields.text("user_id")?,
            request_id: fields.text("request_id")?,
            model: fields.text("model")?,
            usage: usage(fields, cost.is_some())?,
            cost,
            provider: fields.optional_text("provider")?,
            tags: tags(fields)?,
            hold_id: fields.optional_text("hold_id")?,
        })
    }
}

/// Each token in exactly one field. Without tokens there is no report, unless its cost is stated.
fn usage(fields: &Fields, cost_is_stated: bool) -> Result<Usage, Problem> {
    let count = |name| -> Result<Option<u64>, Problem> {
        let count = fields.optional_integer(name, 0..=Usage::UNITS_MAX as i64)?;
        Ok(count.map(i64::unsigned_abs))
    };
    let whole = |name| {
        let absent = cost_is_stated.then_some(0);
        fields.required(name, count(name)?.or(absent))
    };
    let (input, cached) = (whole("tokens_input")?, count("tokens_cached")?.unwrap_or(0));
    let (output, reasoning) = (whole("tokens_output")?, count("tokens_reasoning")?.unwrap_or(0));
    let part = |whole: u64, part, name, of| {
        whole
            .checked_sub(part)
            .ok_or_else(|| fields.refuse(name, &format!("at most `{of}`, which includes it")))
    };
    Ok(Usage {
        input: part(input, cached, "tokens_cached", "tokens_input")?,
        cached_input: cached,
        output: part(output, reasoning, "tokens_reasoning", "tokens_output")?,
        reasoning,
        ..Usage::default()
    })
}

/// Ids are remembered for two periods only; an older report could be a repetition that nobody recognises.
fn check_age(fields: &Fields, now: Timestamp) -> Result<(), Problem> {
    let oldest = now.minus(OPERATION_MEMORY);
    if fields.optional_instant("timestamp")?.is_some_and(|at| at < oldest) {
        return Err(Problem::bad_request(
            "too_old",
            format!("`timestamp` must not be before {}: older usage cannot be logged.", oldest.to_rfc3339()),
        )
        .about("timestamp"));
    }
    Ok(())
}

/// The cost of a report that the account may have forgotten.
async fn logged_before(
    platform: &impl Platform,
    account: AccountId,
    operation_id: RequestId,
) -> Result<Option<NanoEur>, Failure> {
    let rows = usage_report::by_request(platform, account, operation_id).await?;
    Ok(rows.into_iter().find(|row| row.kind == RowKind::Report.as_str()).map(|row| row.cost))
}

/// The tariff and target; a stated cost needs no tariff.
async fn priced(
    platform: &impl Platform,
    fields: &Fields,
    tenant_id: &str,
    stated: &Stated<'_>,
) -> Result<(Tariff, Served), Failure> {
    let Stated { model, provider, usage, cost, .. } = *stated;
    if cost.is_some() {
        let provider = provider.unwrap_or_default().to_owned();
        return Ok((Tariff::default(), Served { provider, ..Served::default() }));
    }
    let snapshot = routing_snapshots::find(platform, tenant_id, model).await?;
    let snapshot = snapshot.ok_or_else(|| unknown_model(model))?;
    let target = target(&snapshot, provider)
        .ok_or_else(|| fields.refuse("provider", "a provider that serves this model, or absent"))?;
    let tariff = snapshot.tariff(target);
    match tariff.price(&usage) {
        Ok(_) => {}
        Err(PriceError::Unknown(_)) => return Err(Problem::unpriced_model(model).into()),
        Err(PriceError::Money(error)) => {
            return Err(Problem::invalid_field(
                "tokens_input",
                format!("This usage cannot be priced: {error}."),
            )
            .into());
        }
    }
    let served = Served {
        provider: target.provider.clone(),
        region: target.region.clone(),
        upstream_model: target.upstream_model.clone(),
    };
    Ok((tariff, served))
}

fn target<'a>(snapshot: &'a RoutingSnapshot, provider: Option<&str>) -> Option<&'a Target> {
    snapshot.targets.iter().find(|target| provider.is_none_or(|provider| target.provider == provider))
}

fn unknown_model(model: &str) -> Problem {
    let message =
        format!("The model `{model}` has no price here. State `cost`, or use a model of this tenant.");
    Problem::bad_request("unpriced_model", message).about("model")
}

fn tags(fields: &Fields) -> Result<Vec<String>, Problem> {
    let tags = fields.optional_texts("tags")?.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(fields.refuse("tags", &format!("a list of at most {TAGS_MAX} texts")));
    }
    Ok(tags)
}

fn answer(account: AccountId, foreign_id: &str, settled: &Settled, repeated: bool) -> Response<Body> {
    let body = object!({
        "success": true,
        "request_id": foreign_id,
        "user_id": account.to_string(),
        "cost": settled.charged.as_euros_f64(),
        "cost_eur": settled.charged.to_string(),
        "budget_remaining": settled.remaining.as_euros_f64(),
        "repeated": repeated,
    });
    json(StatusCode::OK, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Usage, Problem> {
        usage(&Fields::parse(json.as_bytes(), FIELDS).unwrap(), false)
    }

    #[test]
    fn each_token_is_counted_once() {
        let usage = read(
            r#"{"tokens_input": 100, "tokens_cached": 40, "tokens_output": 50, "tokens_reasoning": 20}"#,
        )
        .unwrap();
        assert_eq!(
            usage,
            Usage { input: 60, cached_input: 40, output: 30, reasoning: 20, ..Usage::default() }
        );
    }

    #[test]
    fn impossible_counts_are_refused_by_name() {
        for (json, param) in [
            (r#"{"tokens_output": 1}"#, "tokens_input"),
            (r#"{"tokens_input": 1}"#, "tokens_output"),
            (r#"{"tokens_input": null, "tokens_output": null}"#, "tokens_input"),
            (r#"{"tokens_input": 1, "tokens_output": null}"#, "tokens_output"),
            (r#"{"tokens_input": -1, "tokens_output": 1}"#, "tokens_input"),
            (r#"{"tokens_input": "1", "tokens_output": 1}"#, "tokens_input"),
            (r#"{"tokens_input": 1, "tokens_output": 1e30}"#, "tokens_output"),
            (r#"{"tokens_input": 1, "tokens_output": 1, "tokens_cached": 2}"#, "tokens_cached"),
            (r#"{"tokens_input": 1, "tokens_output": 1, "tokens_reasoning": 2}"#, "tokens_reasoning"),
        ] {
            assert_eq!(read(json).unwrap_err().param.as_deref(), Some(param), "{json}");
        }
    }

    #[test]
    fn a_report_states_tokens_or_a_cost() {
        let fields = Fields::parse(br#"{"tokens_output": 5.0}"#, FIELDS).unwrap();
        assert_eq!(usage(&fields, true).unwrap(), Usage { output: 5, ..Usage::default() });
        assert_eq!(usage(&fields, false).unwrap_err().param.as_deref(), Some("tokens_input"));
    }
}
