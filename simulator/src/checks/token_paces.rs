//! Tokens per minute of an account and its keys, kept from holds alone.

use crate::checks::books::Step;
use crate::checks::levels::meter_of;
use crate::checks::pace::Pace;
use core::time::Duration;
use domain::account::{Command, Configuration, Hold, Key};
use domain::price::Usage;
use domain::state_machine::PartKey;
use std::collections::BTreeMap;

/// Of the account, and of each key.
#[derive(Default)]
pub struct TokenPaces(BTreeMap<Option<PartKey>, Pace>);

impl TokenPaces {
    /// P16: a call of so many tokens was admitted.
    pub fn admitted(
        &mut self,
        step: &Step<'_>,
        configuration: &Configuration,
        key: Option<&Key>,
        tokens: u64,
    ) -> Result<(), String> {
        let of_key = key.map(|key| (Some(meter_of(key)), key.rates.tokens_per_minute));
        for (level, limit) in
            [Some((None, configuration.rates.tokens_per_minute)), of_key].into_iter().flatten()
        {
            let Some(limit) = limit else { continue };
            if !self.0.entry(level).or_default().admit(tokens, limit, step.now, Duration::ZERO) {
                return Err(format!("more than {limit} tokens a minute were admitted ({level:?})"));
            }
        }
        Ok(())
    }

    /// A hold ended: what it did not use may be used by others.
    pub fn ended(&mut self, step: &Step<'_>, configuration: &Configuration, hold: &Hold) {
        if let Some(limit) = configuration.rates.tokens_per_minute {
            self.0.entry(None).or_default().give_back(given_back(step, hold, hold.tokens), limit);
        }
        let key = configuration.keys.iter().find(|key| hold.key_meter == Some(meter_of(key)));
        if let Some((key, limit)) = key.and_then(|key| Some((key, key.rates.tokens_per_minute?))) {
            let pace = self.0.entry(Some(meter_of(key))).or_default();
            pace.give_back(given_back(step, hold, hold.key_tokens), limit);
        }
    }
}

/// What the end of a hold may give back of the tokens that it took, at most.
pub fn given_back(step: &Step<'_>, hold: &Hold, taken: u64) -> u64 {
    let unused = |usage: &Usage| taken.saturating_sub(usage.total());
    match step.command {
        _ if hold.deadline <= step.now => 0,
        Command::Settle(settle) => unused(&settle.usage),
        Command::Release(_) => taken,
        _ => 0,
    }
}
