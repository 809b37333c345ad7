//! Notices at shares of the budgets: each once per period, whether more is used or the limit falls.

use super::state::KEY_METER;
use super::*;
use crate::notice::{NEARLY, Notice, NoticeKey, THRESHOLDS, percent};

/// Raises what the present period's charges have reached of the account's limit and of its keys'.
pub(super) fn raise(
    state: &mut AccountState,
    configuration: &Configuration,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let balance = Balance::of(&state.head, configuration);
    let reached = percent(balance.used, balance.limit);
    raise_of_user(&mut state.head, &balance, reached, now, events);
    if state.parts_of(KEY_METER).next().is_none() {
        return;
    }
    for key in configuration.keys.iter().filter(|key| key.is_usable(now)) {
        let Some(limit) = key.budget else { continue };
        let meter = key_meter::read(state, key_meter::part_of(&key.hash));
        raise_of_key(state, &balance, key, percent(meter.used, limit), now, events);
    }
}

/// A refused call for which not even one token of output fits: the budget is used up.
pub(super) fn exhausted(
    state: &mut AccountState,
    configuration: &Configuration,
    key: Option<&Key>,
    refusal: &Refusal,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let Refusal::Budget(refusal) = refusal else { return };
    if refusal.affordable_output.is_some() {
        return;
    }
    let balance = Balance::of(&state.head, configuration);
    match (refusal.figures.source, key) {
        (LimitSource::User, _) if state.head.current().notified == NEARLY => {
            raise_of_user(&mut state.head, &balance, 100, now, events);
        }
        (LimitSource::Key, Some(key))
            if key_meter::read(state, key_meter::part_of(&key.hash)).notified == NEARLY =>
        {
            raise_of_key(state, &balance, key, 100, now, events);
        }
        _ => {}
    }
}

fn raise_of_user(head: &mut Head, balance: &Balance, reached: u8, now: Timestamp, events: &mut Vec<Event>) {
    for percent in due(head.current().notified, reached) {
        head.current_mut().notified = percent;
        let figures = LimitFigures::of_user(balance);
        events.push(notice(balance, &figures, None, percent, now));
    }
}

fn raise_of_key(
    state: &mut AccountState,
    balance: &Balance,
    key: &Key,
    reached: u8,
    now: Timestamp,
    events: &mut Vec<Event>,
) {
    let part = key_meter::part_of(&key.hash);
    let mut meter = key_meter::read(state, part);
    for percent in due(meter.notified, reached) {
        meter.notified = percent;
        let figures =
            LimitFigures::new(LimitSource::Key, key.limit(), meter.used, meter.reserved, balance.resets_at);
        let of = NoticeKey { id: key.id.clone(), name: key.name.clone() };
        events.push(notice(balance, &figures, Some(of), percent, now));
        state.put(part, Part::KeyMeter(meter.clone()));
    }
}

fn due(notified: u8, reached: u8) -> impl Iterator<Item = u8> {
    THRESHOLDS.into_iter().filter(move |percent| notified < *percent && *percent <= reached)
}

fn notice(
    balance: &Balance,
    figures: &LimitFigures,
    key: Option<NoticeKey>,
    percent: u8,
    now: Timestamp,
) -> Event {
    Event::Notice(Box::new(Notice {
        tenant_id: balance.tenant_id.clone(),
        source: figures.source,
        percent,
        used: figures.used,
        limit: figures.limit,
        period_opened_at: balance.period_opened_at,
        resets_at: balance.resets_at,
        at: now,
        key,
    }))
}
