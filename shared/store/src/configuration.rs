//! Accounts' configurations, read from the directory's rows.

use crate::tenant_pools;
use domain::account::{Configuration, KEYS_MAX, Key, PoolTerms, Status};
use domain::civil_time::{PeriodRule, Zone};
use domain::identity::{AccountId, Home};
use domain::money::NanoEur;
use domain::rate_limit::RateLimits;
use domain::time::Timestamp;
use platform::{Database, PlatformError, Row, Statement};
use serde::Deserialize;
use serde_json::Value;

/// One statement, so that the version and everything it stands for are of one instant. Revoked and expired
/// keys are left out: the account refuses what it does not know.
pub(crate) const LOAD: &str = "
SELECT u.id, u.configuration_version, u.tenant_id, u.status AS user_status, t.status AS tenant_status, t.time_zone,
  u.budget_nano_eur, u.reset_day, u.period_days, u.period_from, u.requests_per_minute, u.tokens_per_minute,
  u.concurrency_max, u.models, max(u.clamp, t.clamp) AS clamp, u.closed_at,
  t.home, t.budget_nano_eur AS tenant_budget, t.reset_day AS tenant_reset_day,
  t.requests_per_minute AS tenant_requests, t.tokens_per_minute AS tenant_tokens,
  (SELECT json_group_array(json_object('id', k.id, 'hash', k.hash, 'expires_at', k.expires_at,
     'budget_nano_eur', k.budget_nano_eur, 'requests_per_minute', k.requests_per_minute,
     'tokens_per_minute', k.tokens_per_minute, 'clamp', k.clamp, 'name', k.name))
   FROM (SELECT * FROM api_keys
         WHERE user_id = u.id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
         ORDER BY created_at DESC, id DESC LIMIT ?3) k) AS keys
FROM json_each(?1) AS asked CROSS JOIN users u ON u.id = asked.value CROSS JOIN tenants t ON t.id = u.tenant_id";

/// None when there is no such user.
pub async fn load(
    database: &impl Database,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Configuration>, PlatformError> {
    let page = load_page(database, &[account], now).await?;
    page.into_iter().next().map(|(_, configuration)| configuration).transpose()
}

/// Of all these accounts at once, without those that have no user. One that cannot be understood leaves the
/// others alone.
pub async fn load_page(
    database: &impl Database,
    accounts: &[AccountId],
    now: Timestamp,
) -> Result<Vec<(AccountId, Result<Configuration, PlatformError>)>, PlatformError> {
    let ids: Vec<Value> = accounts.iter().map(|account| account.to_string().into()).collect();
    let statement =
        Statement::new(LOAD).bind(Value::from(ids).to_string()).bind(now.as_millis()).bind(KEYS_MAX as i64);
    let rows = database.query(statement).await?;
    rows.iter().map(|row| Ok((crate::users::id_of(row)?, of_row(row)))).collect()
}

#[derive(Deserialize)]
struct StoredKey {
    id: String,
    hash: String,
    expires_at: Option<i64>,
    budget_nano_eur: Option<i64>,
    requests_per_minute: Option<u64>,
    tokens_per_minute: Option<u64>,
    clamp: i64,
    name: Option<String>,
}

fn of_row(row: &Row) -> Result<Configuration, PlatformError> {
    let keys: Vec<StoredKey> =
        serde_json::from_str(row.text("keys")?).map_err(|_| crate::malformed("keys"))?;
    // Newest first in the row, newest last in the account, which cuts from the front.
    let keys = keys.into_iter().rev().map(key).collect::<Result<_, _>>()?;
    Ok(Configuration {
        version: crate::unsigned(row, "configuration_version")?,
        tenant_id: row.text("tenant_id")?.to_owned(),
        user_status: Status::parse(row.text("user_status")?),
        tenant_status: Status::parse(row.text("tenant_status")?),
        budget: NanoEur::saturating(row.integer("budget_nano_eur")?),
        period: user_period(row)?,
        rates: RateLimits {
            requests_per_minute: crate::optional_unsigned(row, "requests_per_minute")?,
            tokens_per_minute: crate::optional_unsigned(row, "tokens_per_minute")?,
        },
        concurrency: concurrency(row)?,
        models: crate::model_access(row, "models")?,
        keys,
        // No account makes a snapshot stale yet: isolates reload theirs by age.
        routing_version: 0,
        clamp: row.integer("clamp")? != 0,
        pool: pool(row)?,
        closed: row.optional_integer("closed_at")?.is_some(),
    })
}

/// From the columns `reset_day`, `period_days` and `period_from`, and the tenant's `time_zone`.
pub(crate) fn user_period(row: &Row) -> Result<PeriodRule, PlatformError> {
    let (days, from) = (row.optional_integer("period_days")?, row.optional_integer("period_from")?);
    match (days, from) {
        (Some(days), Some(from)) => Ok(PeriodRule::EveryDays {
            days: u16::try_from(days).map_err(|_| crate::malformed("period_days"))?,
            from: Timestamp::from_millis(from),
        }),
        _ => period(row.text("time_zone")?, row.integer("reset_day")?),
    }
}

fn concurrency(row: &Row) -> Result<Option<u32>, PlatformError> {
    let limit = row.optional_integer("concurrency_max")?;
    limit.map(|limit| u32::try_from(limit).map_err(|_| crate::malformed("concurrency_max"))).transpose()
}

/// A tenant without limits of its own has no pool.
fn pool(row: &Row) -> Result<Option<PoolTerms>, PlatformError> {
    let limited = |column| Ok::<_, PlatformError>(row.optional_integer(column)?.is_some());
    let (money, requests, tokens) =
        (limited("tenant_budget")?, limited("tenant_requests")?, limited("tenant_tokens")?);
    if !money && !requests && !tokens {
        return Ok(None);
    }
    let home = Home::parse(row.text("home")?).ok_or_else(|| crate::malformed("home"))?;
    let name = tenant_pools::name(home, row.text("tenant_id")?);
    let period = period(row.text("time_zone")?, row.integer("tenant_reset_day")?)?;
    Ok(Some(PoolTerms { name, money, requests, tokens, period }))
}

fn key(stored: StoredKey) -> Result<Key, PlatformError> {
    let hash = crate::key_hash::from_hex(&stored.hash).ok_or_else(|| crate::malformed("hash"))?;
    let expires = stored.expires_at.map(Timestamp::from_millis);
    Ok(Key {
        id: stored.id,
        hash,
        expires,
        revoked: false,
        budget: stored.budget_nano_eur.map(NanoEur::saturating),
        rates: RateLimits {
            requests_per_minute: stored.requests_per_minute,
            tokens_per_minute: stored.tokens_per_minute,
        },
        clamp: stored.clamp != 0,
        name: stored.name.unwrap_or_default(),
    })
}

/// The rule of an account's periods.
pub fn period(time_zone: &str, reset_day: i64) -> Result<PeriodRule, PlatformError> {
    let zone = Zone::parse(time_zone).ok_or_else(|| crate::malformed("time_zone"))?;
    let anchor_day = u8::try_from(reset_day).map_err(|_| crate::malformed("reset_day"))?;
    Ok(PeriodRule::Monthly { zone, anchor_day })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::account::ModelAccess;
    use domain::api_key::KeyHash;
    use platform::Value;

    fn row(change: impl FnOnce(&mut Vec<(&str, Value)>)) -> Row {
        let hash = crate::key_hash::to_hex(&KeyHash::of("a fake key"));
        let keys = format!(
            r#"[{{"id":"new","hash":"{hash}","expires_at":5,"budget_nano_eur":7,"requests_per_minute":3,"clamp":1}},
                {{"id":"old","hash":"{hash}","expires_at":null,"clamp":0}}]"#
        );
        let mut columns: Vec<(&str, Value)> = vec![
            ("configuration_version", 7.into()),
            ("tenant_id", "t1".into()),
            ("user_status", "active".into()),
            ("tenant_status", "suspended".into()),
            ("time_zone", "Europe/Berlin".into()),
            ("budget_nano_eur", 25_000_000_000.into()),
            ("reset_day", 31.into()),
            ("requests_per_minute", 60.into()),
            ("tokens_per_minute", Value::Null),
            ("models", r#"["gpt-4o"]"#.into()),
            ("clamp", 0.into()),
            ("keys", keys.into()),
            ("period_days", Value::Null),
            ("period_from", Value::Null),
            ("concurrency_max", 5.into()),
            ("closed_at", Value::Null),
            ("home", "eu".into()),
            ("tenant_budget", Value::Null),
            ("tenant_reset_day", 1.into()),
            ("tenant_requests", Value::Null),
            ("tenant_tokens", Value::Null),
        ];
        change(&mut columns);
        let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().map(|(n, v)| (n.to_owned(), v)).unzip();
        Row::new(names.into(), values)
    }

    #[test]
    fn rows_become_an_accounts_configuration() {
        let configuration = of_row(&row(|_| {})).unwrap();
        assert_eq!(configuration.version, 7);
        assert_eq!(configuration.user_status, Status::Active);
        assert_eq!(configuration.tenant_status, Status::Suspended);
        assert_eq!(configuration.budget, NanoEur::euros(25));
        assert_eq!(configuration.period, PeriodRule::Monthly { zone: Zone::BERLIN, anchor_day: 31 });
        assert_eq!(
            configuration.rates,
            RateLimits { requests_per_minute: Some(60), tokens_per_minute: None }
        );
        assert_eq!((configuration.concurrency, configuration.pool.as_ref()), (Some(5), None));
        assert_eq!(configuration.models, ModelAccess::Only(vec!["gpt-4o".into()]));
        let ids: Vec<_> = configuration.keys.iter().map(|key| (key.id.as_str(), key.expires)).collect();
        assert_eq!(ids, [("old", None), ("new", Some(Timestamp::from_millis(5)))]);
        assert_eq!(configuration.keys[0].hash, KeyHash::of("a fake key"));
    }

    #[test]
    fn a_key_has_limits_of_its_own() {
        let configuration = of_row(&row(|_| {})).unwrap();
        let [old, new] = &configuration.keys[..] else { panic!("two keys") };
        assert_eq!(
            (new.budget, new.rates.requests_per_minute, new.clamp),
            (NanoEur::new(7).ok(), Some(3), true)
        );
        assert_eq!((old.budget, old.rates, old.clamp), (None, RateLimits::default(), false));
    }

    #[test]
    fn a_tenant_with_any_limit_has_a_pool() {
        let at = |name: &str, value: i64| {
            let (name, value) = (name.to_owned(), Value::from(value));
            row(move |columns| columns.iter_mut().find(|(n, _)| *n == name).unwrap().1 = value)
        };
        let pool = of_row(&at("tenant_budget", 5)).unwrap().pool.unwrap();
        assert_eq!(
            (pool.name.as_str(), pool.money, pool.requests, pool.tokens),
            ("eu-t1", true, false, false)
        );
        let pool = of_row(&at("tenant_tokens", 5)).unwrap().pool.unwrap();
        assert_eq!((pool.money, pool.requests, pool.tokens), (false, false, true));
    }

    #[test]
    fn p13_a_period_may_be_days_from_an_instant() {
        let row = row(|columns| {
            for (name, value) in columns.iter_mut() {
                match *name {
                    "period_days" => *value = 30.into(),
                    "period_from" => *value = 7.into(),
                    _ => {}
                }
            }
        });
        let rule = PeriodRule::EveryDays { days: 30, from: Timestamp::from_millis(7) };
        assert_eq!(of_row(&row).unwrap().period, rule);
    }

    #[test]
    fn all_models_is_one_word() {
        let row = row(|columns| columns[9].1 = r#"["all"]"#.into());
        assert_eq!(of_row(&row).unwrap().models, ModelAccess::All);
    }

    #[test]
    fn what_cannot_be_understood_configures_nothing() {
        for (at, value) in [(4, "Mars/Olympus"), (9, "all"), (11, r#"[{"id":"x","hash":"short"}]"#)] {
            assert!(of_row(&row(|columns| columns[at].1 = value.into())).is_err(), "{value}");
        }
        assert!(of_row(&row(|columns| columns[7].1 = (-1).into())).is_err());
    }
}
