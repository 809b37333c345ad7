//! Machines as they lie on disk.

use crate::hosts::rows::{InlineEvent, Rows};
use domain::account::{Account, Configuration, Hold, KeyMeter, Part};
use domain::identity::{AccountId, RequestId};
use domain::money::NanoEur;
use domain::state_machine::{PartKey, StateMachine};
use domain::tenant_pool::{self, Lease, PoolConfiguration, TenantPool};
use domain::time::Timestamp;
use platform::resident::decode;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The layout of `platform::resident` that is read here.
const LAYOUT: u32 = 1;
/// The kinds of an account's and of a pool's parts that are looked up by their keys.
const HOLD: u8 = 1;
const LEASE: u8 = 1;

pub struct View<M: StateMachine> {
    head_bytes: Vec<u8>,
    pub head: Rc<M::Head>,
    parts: BTreeMap<PartKey, Rc<StoredPart<M::Part>>>,
    next_sequence: u64,
}

struct StoredPart<P> {
    bytes: Vec<u8>,
    part: P,
}

impl<M: StateMachine> Default for View<M> {
    fn default() -> Self {
        Self { head_bytes: Vec::new(), head: Rc::default(), parts: BTreeMap::new(), next_sequence: 0 }
    }
}

impl<M: StateMachine> Clone for View<M> {
    fn clone(&self) -> Self {
        Self {
            head_bytes: self.head_bytes.clone(),
            head: self.head.clone(),
            parts: self.parts.clone(),
            next_sequence: self.next_sequence,
        }
    }
}

impl<M: StateMachine> View<M> {
    /// Reads what changed; the events that are new, by the order in which they were raised.
    pub fn update(&mut self, rows: &Rows) -> Result<Vec<M::Event>, String> {
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
            self.head = Rc::new(read(row.head)?);
            self.head_bytes = row.head.to_vec();
        }
        let mut events: BTreeMap<u64, &[u8]> =
            row.events.iter().map(|event| (event.sequence, event.value)).collect();
        for row in rows.events.values() {
            let of_row: Vec<InlineEvent<'_>> = minicbor::decode(row).map_err(|error| error.to_string())?;
            events.extend(of_row.into_iter().map(|event| (event.sequence, event.value)));
        }
        let first = self.next_sequence.max(1);
        if row.next_sequence < first {
            return Err(format!("the rows went back in time: event {} after {first}", row.next_sequence));
        }
        self.next_sequence = row.next_sequence;
        let new = (first..row.next_sequence)
            .map(|sequence| read(events.get(&sequence).ok_or(format!("event {sequence} is not stored"))?));
        new.collect()
    }

    fn part(&self, key: PartKey) -> Option<&M::Part> {
        self.parts.get(&key).map(|stored| &stored.part)
    }

    /// Differs if the stored head differs.
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }
}

impl View<Account> {
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
        match self.part(PartKey { kind: HOLD, id: id.0 })? {
            Part::Hold(hold) => Some(hold),
            _ => None,
        }
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
        free -= self.owed();
        for (_, hold) in self.holds() {
            free -= hold.top_up.get();
            if hold.period_opened_at == current.opened_at {
                free -= hold.plan.get();
            }
        }
        Some(free)
    }

    /// Refunds that what lies in the top-up pays, so that no call can.
    pub fn owed(&self) -> i64 {
        let held: i64 = self.holds().map(|(_, hold)| hold.top_up.get()).sum();
        self.head.debt.get().min((self.head.top_up.get() - held).max(0))
    }

    pub fn expired(&self, id: RequestId) -> Option<&Hold> {
        match self.part(PartKey { kind: HOLD, id: id.0 })? {
            Part::Expired(expired) => Some(&expired.hold),
            _ => None,
        }
    }

    /// A key's meter, if it belongs to the current period.
    pub fn key_meter(&self, part: PartKey) -> Option<&KeyMeter> {
        let current = self.head.periods.last()?.opened_at;
        match self.part(part)? {
            Part::KeyMeter(meter) if meter.period_opened_at == current => Some(meter),
            _ => None,
        }
    }

    /// What a late settlement of this hold may still take: the rest of its own period's plan, then the top-up's
    /// as far as the current period leaves it free; within the rest of its key and of what is leased.
    pub fn late_money(&self, hold: &Hold) -> i64 {
        let budget = self.configuration().map_or(0, |configuration| configuration.budget.get());
        let of_plan = self.head.periods.iter().find(|period| period.opened_at == hold.period_opened_at);
        let plan = of_plan.map_or(0, |p| budget - p.plan_used.get() - p.plan_reserved.get());
        let top_up = self.head.top_up.get() - self.head.top_up_reserved.get() - self.owed();
        let own = plan.max(0) + top_up.min(self.free().unwrap_or(0)).max(0);
        let share = &self.head.tenant;
        let leased = match hold.tenant_opened_at {
            None => i64::MAX,
            Some(period) if period == share.opened_at => {
                share.granted.get() - share.used.get() - share.reserved.get()
            }
            Some(_) => 0,
        };
        let current = self.head.periods.last().map(|period| period.opened_at);
        let of_key = hold.key_meter.filter(|_| current == Some(hold.period_opened_at));
        let key = of_key.and_then(|part| {
            let keys = &self.configuration()?.keys;
            let budget = keys.iter().find(|key| key.hash.as_bytes()[..16] == part.id)?.budget?;
            let used = self.key_meter(part).map_or(0, |meter| meter.used.get() + meter.reserved.get());
            Some(budget.get() - used)
        });
        own.min(leased).min(key.unwrap_or(i64::MAX))
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
        let share = &head.tenant;
        let leased = self.holds().map(|(_, hold)| hold);
        let leased = leased.filter(|hold| hold.tenant_opened_at == Some(share.opened_at));
        let reserved: NanoEur = leased.map(Hold::amount).sum();
        equal("reserved of the tenant's money", share.reserved.get(), reserved.get())?;
        let has_period =
            |hold: &Hold| head.periods.iter().any(|period| period.opened_at == hold.period_opened_at);
        match self.holds().map(|(_, hold)| hold).chain(self.correctable()).find(|hold| !has_period(hold)) {
            Some(hold) => Err(format!("the period of a hold is forgotten: {hold:?}")),
            None => Ok(()),
        }
    }
}

impl View<TenantPool> {
    pub fn configuration(&self) -> Option<&PoolConfiguration> {
        self.parts.values().find_map(|stored| match &stored.part {
            tenant_pool::Part::Configuration(configuration) => Some(&**configuration),
            _ => None,
        })
    }

    /// In the present period.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        let period = self.head.period.opened_at;
        self.parts.values().filter_map(move |stored| match &stored.part {
            tenant_pool::Part::Lease(lease) if lease.period_opened_at == period => Some(lease),
            _ => None,
        })
    }

    /// In any period.
    pub fn lease(&self, account: AccountId) -> Option<&Lease> {
        match self.part(PartKey { kind: LEASE, id: account.id })? {
            tenant_pool::Part::Lease(lease) => Some(lease),
            _ => None,
        }
    }

    /// What the pool counts for an account in the period that began then.
    pub fn figure(&self, account: AccountId, period: Timestamp) -> i64 {
        let lease = self.lease(account).filter(|lease| lease.period_opened_at == period);
        lease.map_or(0, |lease| lease.figure().get())
    }
}

pub fn equal(what: &str, is: i64, must_be: i64) -> Result<(), String> {
    if is == must_be { Ok(()) } else { Err(format!("{what} is {is} and must be {must_be}")) }
}

fn read<T: domain::state_machine::Codec>(bytes: &[u8]) -> Result<T, String> {
    decode(bytes).map_err(|error| error.to_string())
}
