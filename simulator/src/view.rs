//! An account as it lies on disk.

use crate::rows::Rows;
use domain::account::{Configuration, Event, Head, Hold, Part};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::state_machine::PartKey;
use platform::resident::decode;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The layout of `platform::resident` that is read here.
const LAYOUT: u32 = 1;

#[derive(Clone, Default)]
pub struct View {
    head_bytes: Vec<u8>,
    pub head: Head,
    parts: BTreeMap<PartKey, Rc<StoredPart>>,
    next_sequence: u64,
}

struct StoredPart {
    bytes: Vec<u8>,
    part: Part,
}

impl View {
    /// Reads what changed; the events that are new, by the order in which they were raised.
    pub fn update(&mut self, rows: &Rows) -> Result<Vec<Event>, String> {
        if rows.head.is_none() {
            return Ok(Vec::new());
        }
        let row = rows.head_row();
        if row.layout != LAYOUT {
            return Err(format!("the rows have layout {}, which the simulator does not know", row.layout));
        }
        let inline = row.parts.iter().map(|part| (part.key, part.value));
        let own = rows.parts.iter().map(|(key, (_, value))| (*key, value.as_slice()));
        let mut parts = BTreeMap::new();
        for (key, bytes) in inline.chain(own) {
            let known = self.parts.remove(&key).filter(|known| known.bytes == bytes);
            let part = match known {
                Some(known) => known,
                None => Rc::new(StoredPart { bytes: bytes.to_vec(), part: read(bytes)? }),
            };
            if parts.insert(key, part).is_some() {
                return Err(format!("part {key:?} is stored twice"));
            }
        }
        self.parts = parts;
        if self.head_bytes != row.head {
            self.head = read(row.head)?;
            self.head_bytes = row.head.to_vec();
        }
        let mut events: BTreeMap<u64, &[u8]> =
            row.events.iter().map(|event| (event.sequence, event.value)).collect();
        events.extend(rows.events.iter().map(|(sequence, value)| (*sequence, value.as_slice())));
        let first = self.next_sequence.max(1);
        if row.next_sequence < first {
            return Err(format!("the rows went back in time: event {} after {first}", row.next_sequence));
        }
        self.next_sequence = row.next_sequence;
        let new = (first..row.next_sequence)
            .map(|sequence| read(events.get(&sequence).ok_or(format!("event {sequence} is not stored"))?));
        new.collect()
    }

    pub fn configuration(&self) -> Option<&Configuration> {
        self.parts.values().find_map(|stored| match &stored.part {
            Part::Configuration(configuration) => Some(&**configuration),
            _ => None,
        })
    }

    pub fn holds(&self) -> impl Iterator<Item = (RequestId, &Hold)> {
        self.parts.iter().filter_map(|(key, stored)| match &stored.part {
            Part::Hold(hold) => Some((RequestId(key.id), &**hold)),
            _ => None,
        })
    }

    pub fn hold(&self, id: RequestId) -> Option<&Hold> {
        self.holds().find(|(of, _)| *of == id).map(|(_, hold)| hold)
    }

    /// Differs if the stored head differs.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }

    /// Holds that expired and may still be corrected, by the period they belong to.
    pub fn correctable(&self) -> impl Iterator<Item = &Hold> {
        self.parts.values().filter_map(|stored| match &stored.part {
            Part::Expired(expired) => Some(&expired.hold),
            _ => None,
        })
    }

    /// What the plan and the top-up have left for calls, from the holds as they are stored. Below zero when
    /// something that is no call took more than there was. None if nobody configured the account.
    pub fn free(&self) -> Option<i64> {
        let configuration = self.configuration()?;
        let current = self.head.periods.last()?;
        let mut free = configuration.budget.get() - current.plan_used.get() + self.head.top_up.get();
        for (_, hold) in self.holds() {
            free -= hold.top_up.get();
            if hold.period_opened_at == current.opened_at {
                free -= hold.plan.get();
            }
        }
        Some(free)
    }

    pub fn expired(&self, id: RequestId) -> Option<&Hold> {
        self.parts.iter().find_map(|(key, stored)| match &stored.part {
            Part::Expired(expired) if key.id == id.0 => Some(&expired.hold),
            _ => None,
        })
    }

    /// What a late settlement of this hold may still take: the rest of its own period's plan, then the top-up's
    /// as far as the current period leaves it free.
    pub fn late_money(&self, hold: &Hold) -> i64 {
        let budget = self.configuration().map_or(0, |configuration| configuration.budget.get());
        let of_plan = self.head.periods.iter().find(|period| period.opened_at == hold.period_opened_at);
        let plan = of_plan.map_or(0, |p| budget - p.plan_used.get() - p.plan_reserved.get());
        let top_up = self.head.top_up.get() - self.head.top_up_reserved.get();
        plan.max(0) + top_up.min(self.free().unwrap_or(0)).max(0)
    }

    /// The counters must be what the parts sum up to.
    pub fn check_counters(&self) -> Result<(), String> {
        let head = &self.head;
        let top_up: NanoEur = self.holds().map(|(_, hold)| hold.top_up).sum();
        equal("top_up_reserved", head.top_up_reserved.get(), top_up.get())?;
        equal("open_holds", head.open_holds.into(), self.holds().count() as i64)?;
        for period in &head.periods {
            let of = || {
                self.holds().map(|(_, hold)| hold).filter(|hold| hold.period_opened_at == period.opened_at)
            };
            let plan: NanoEur = of().map(|hold| hold.plan).sum();
            equal("a period's plan_reserved", period.plan_reserved.get(), plan.get())?;
            equal("a period's open_holds", period.open_holds.into(), of().count() as i64)?;
            let correctable =
                self.correctable().filter(|hold| hold.period_opened_at == period.opened_at).count() as i64;
            equal("a period's correctable", period.correctable.into(), correctable)?;
        }
        let has_period =
            |hold: &Hold| head.periods.iter().any(|period| period.opened_at == hold.period_opened_at);
        match self.holds().map(|(_, hold)| hold).chain(self.correctable()).find(|hold| !has_period(hold)) {
            Some(hold) => Err(format!("the period of a hold is forgotten: {hold:?}")),
            None => Ok(()),
        }
    }
}

pub fn equal(what: &str, is: i64, must_be: i64) -> Result<(), String> {
    if is == must_be { Ok(()) } else { Err(format!("{what} is {is} and must be {must_be}")) }
}

fn read<T: domain::state_machine::Codec>(bytes: &[u8]) -> Result<T, String> {
    decode(bytes).map_err(|error| error.to_string())
}
