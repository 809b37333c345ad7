//! What we think a provider costs us, against what it bills.

use crate::time::Timestamp;
use std::collections::BTreeMap;

/// A drift beyond this alerts: 0.1 % of the bill.
pub const ALERT_BASIS_POINTS: i128 = 10;

/// The bill less our figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Nano-dollars; positive where the provider bills more than we counted.
    pub nano_usd: i128,
    /// Of the bill, rounded away from zero, so that more than [`ALERT_BASIS_POINTS`] alerts and nothing else
    /// does. None: the bill is zero.
    pub basis_points: Option<i128>,
    pub alert: bool,
}

/// Both in nano-dollars and not negative.
pub fn drift(ours: i128, theirs: i128) -> Drift {
    let nano_usd = theirs - ours;
    if theirs == 0 {
        return Drift { nano_usd, basis_points: None, alert: nano_usd != 0 };
    }
    let scaled = nano_usd.unsigned_abs() * 10_000;
    let magnitude = scaled.div_ceil(theirs.unsigned_abs()).cast_signed();
    let basis_points = if nano_usd < 0 { -magnitude } else { magnitude };
    Drift { nano_usd, basis_points: Some(basis_points), alert: magnitude > ALERT_BASIS_POINTS }
}

/// What is reconciled: one provider's model on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub day: Timestamp,
    pub provider: String,
    /// As the provider names it.
    pub model: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub item: Item,
    /// Nano-dollars. None: we served nothing of it.
    pub ours: Option<i128>,
    /// Nano-dollars. None: no bill names it.
    pub theirs: Option<i128>,
    pub drift: Drift,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By day, provider and model: everything that either side names.
    pub lines: Vec<Line>,
    /// Sums of the lines.
    pub ours: i128,
    pub theirs: i128,
    pub drift: Drift,
}

/// Sets two sides against each other. What only one has is compared with zero. An item that costs nothing and
/// is on no bill is left out: nobody bills nothing.
pub fn reconcile(
    ours: impl IntoIterator<Item = (Item, i128)>,
    theirs: impl IntoIterator<Item = (Item, i128)>,
) -> Report {
    let mut sides: BTreeMap<Item, (Option<i128>, Option<i128>)> = BTreeMap::new();
    for (item, amount) in ours {
        let side = &mut sides.entry(item).or_default().0;
        *side = Some(side.unwrap_or(0) + amount);
    }
    for (item, amount) in theirs {
        let side = &mut sides.entry(item).or_default().1;
        *side = Some(side.unwrap_or(0) + amount);
    }
    sides.retain(|_, sides| *sides != (Some(0), None));
    let lines: Vec<Line> = sides
        .into_iter()
        .map(|(item, (ours, theirs))| {
            let drift = drift(ours.unwrap_or(0), theirs.unwrap_or(0));
            Line { item, ours, theirs, drift }
        })
        .collect();
    let ours = lines.iter().filter_map(|line| line.ours).sum();
    let theirs = lines.iter().filter_map(|line| line.theirs).sum();
    Report { lines, ours, theirs, drift: drift(ours, theirs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(model: &str) -> Item {
        Item { day: Timestamp::EPOCH, provider: "p".into(), model: model.into() }
    }

    #[test]
    fn p26_a_drift_beyond_a_tenth_of_a_percent_alerts() {
        for (ours, theirs, basis_points, alert) in [
            (1_000_000, 1_000_000, Some(0), false),
            (999_000, 1_000_000, Some(10), false),
            (998_999, 1_000_000, Some(11), true),
            (1_001_000, 1_000_000, Some(-10), false),
            (1_001_001, 1_000_000, Some(-11), true),
            (0, 1, Some(10_000), true),
            (1, 0, None, true),
            (0, 0, None, false),
        ] {
            let drift = drift(ours, theirs);
            assert_eq!(
                (drift.nano_usd, drift.basis_points),
                (theirs - ours, basis_points),
                "{ours} {theirs}"
            );
            assert_eq!(drift.alert, alert, "{ours} {theirs}");
        }
    }

    #[test]
    fn p26_what_one_side_lacks_is_a_line_of_its_own() {
        let report = reconcile(
            [(item("both"), 5), (item("ours"), 7), (item("free"), 0)],
            [(item("both"), 5), (item("theirs"), 9)],
        );
        let lines: Vec<_> = report
            .lines
            .iter()
            .map(|line| (line.item.model.as_str(), line.ours, line.theirs, line.drift.alert))
            .collect();
        assert_eq!(
            lines,
            [
                ("both", Some(5), Some(5), false),
                ("ours", Some(7), None, true),
                ("theirs", None, Some(9), true),
            ]
        );
        assert_eq!((report.ours, report.theirs, report.drift.nano_usd), (12, 14, 2));
    }

    proptest! {
        #[test]
        fn p26_the_alert_is_the_rule_to_the_last_nano_dollar(ours in 0i128..1 << 60, theirs in 1i128..1 << 60) {
            let drift = drift(ours, theirs);
            prop_assert_eq!(drift.alert, (theirs - ours).abs() * 1_000 > theirs);
            prop_assert_eq!(drift.alert, drift.basis_points.unwrap().abs() > ALERT_BASIS_POINTS);
        }
    }
}
