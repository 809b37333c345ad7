//! What is counted of usage: the same ten measures in every roll-up.

use platform::{PlatformError, Row};

/// Sums. Money and counts stay text until they are integers of ours; they may exceed what one account can
/// hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    pub row_count: i128,
    /// All of them, cached ones included.
    pub tokens_input: i128,
    pub tokens_cached: i128,
    /// All of them, reasoning included.
    pub tokens_output: i128,
    pub tokens_reasoning: i128,
    pub cost_nano_eur: i128,
    pub overrun_nano_eur: i128,
    pub provider_cost_nano_usd: i128,
    /// Calls that ended otherwise than completed, stopped at their hold or closed by the client.
    pub errors: i128,
    /// Rows whose usage is our estimate and not the provider's count.
    pub estimated: i128,
}

impl Measures {
    /// From a row of `summed!`.
    pub(crate) fn of_row(row: &Row) -> Result<Self, PlatformError> {
        let sum = |column| row.text(column)?.parse().map_err(|_| crate::malformed(column));
        Ok(Self {
            row_count: sum("row_count")?,
            tokens_input: sum("tokens_input")?,
            tokens_cached: sum("tokens_cached")?,
            tokens_output: sum("tokens_output")?,
            tokens_reasoning: sum("tokens_reasoning")?,
            cost_nano_eur: sum("cost_nano_eur")?,
            overrun_nano_eur: sum("overrun_nano_eur")?,
            provider_cost_nano_usd: sum("provider_cost_nano_usd")?,
            errors: sum("errors")?,
            estimated: sum("estimated")?,
        })
    }
}

/// The measures' columns, in the order of all that follow.
macro_rules! measures {
    () => {
        "row_count, tokens_input, tokens_cached, tokens_output, tokens_reasoning, cost_nano_eur,
  overrun_nano_eur, provider_cost_nano_usd, errors, estimated"
    };
}

/// Their sums as text, under their own names.
macro_rules! summed {
    () => {
        "CAST(COALESCE(SUM(row_count), 0) AS TEXT) AS row_count,
  CAST(COALESCE(SUM(tokens_input), 0) AS TEXT) AS tokens_input,
  CAST(COALESCE(SUM(tokens_cached), 0) AS TEXT) AS tokens_cached,
  CAST(COALESCE(SUM(tokens_output), 0) AS TEXT) AS tokens_output,
  CAST(COALESCE(SUM(tokens_reasoning), 0) AS TEXT) AS tokens_reasoning,
  CAST(COALESCE(SUM(cost_nano_eur), 0) AS TEXT) AS cost_nano_eur,
  CAST(COALESCE(SUM(overrun_nano_eur), 0) AS TEXT) AS overrun_nano_eur,
  CAST(COALESCE(SUM(provider_cost_nano_usd), 0) AS TEXT) AS provider_cost_nano_usd,
  CAST(COALESCE(SUM(errors), 0) AS TEXT) AS errors,
  CAST(COALESCE(SUM(estimated), 0) AS TEXT) AS estimated"
    };
}

/// The rows of the account-hours in `picked (hour, account_id)` as sums: a common table expression `fresh`
/// with the columns of `usage_hourly`.
///
/// A correction's usage and provider are the whole call's and replace those of its `call` row, whose hour
/// keeps them; its cost and overrun are differences and count where it stands. It is no call, which is said twice for
/// SQLite to find it by the index of those that are none.
macro_rules! fresh {
    () => {
        "fresh AS (
  SELECT own.account_id, picked.hour, own.tenant_id, own.model,
    COALESCE(late.provider, own.provider) AS provider,
    COALESCE(late.region, own.region) AS region,
    COALESCE(late.upstream_model, own.upstream_model) AS upstream_model,
    own.kind,
    COUNT(*) AS row_count,
    SUM((own.kind <> 'correction') * COALESCE(
      late.tokens_input + late.tokens_cached_input + late.tokens_cache_write + late.tokens_audio_input,
      own.tokens_input + own.tokens_cached_input + own.tokens_cache_write + own.tokens_audio_input)) AS tokens_input,
    SUM((own.kind <> 'correction') * COALESCE(late.tokens_cached_input, own.tokens_cached_input)) AS tokens_cached,
    SUM((own.kind <> 'correction') * COALESCE(
      late.tokens_output + late.tokens_reasoning + late.tokens_audio_output,
      own.tokens_output + own.tokens_reasoning + own.tokens_audio_output)) AS tokens_output,
    SUM((own.kind <> 'correction') * COALESCE(late.tokens_reasoning, own.tokens_reasoning)) AS tokens_reasoning,
    SUM(own.cost_nano_eur) AS cost_nano_eur,
    SUM(own.overrun_nano_eur) AS overrun_nano_eur,
    SUM((own.kind <> 'correction') * COALESCE(late.provider_cost_nano_usd, own.provider_cost_nano_usd))
      AS provider_cost_nano_usd,
    SUM(own.kind = 'call'
      AND COALESCE(late.outcome, own.outcome) NOT IN ('completed', 'stopped_at_hold', 'client_closed')) AS errors,
    SUM((own.kind <> 'correction') * COALESCE(late.estimated, own.estimated)) AS estimated
  FROM picked
  CROSS JOIN usage_logs AS own
    ON own.account_id = picked.account_id AND own.at >= picked.hour AND own.at < picked.hour + 3600000
  LEFT JOIN usage_logs AS late
    ON own.kind = 'call' AND late.account_id = own.account_id AND late.request_id = own.request_id
      AND late.kind = 'correction' AND late.kind <> 'call'
  GROUP BY own.account_id, picked.hour, own.tenant_id, own.model, COALESCE(late.provider, own.provider),
    COALESCE(late.region, own.region), COALESCE(late.upstream_model, own.upstream_model), own.kind)"
    };
}

pub(crate) use {fresh, measures, summed};
