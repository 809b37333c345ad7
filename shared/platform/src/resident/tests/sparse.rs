//! A host without memory hands in the head, standing parts, what is due and what the command names, and no more: it
//! answers and stores the same as one that has everything in memory.

use super::*;
use domain::api_key::KeyHash;
use domain::identity::{AccountId, Home};
use domain::lease::{Grant, PERMIT_VALIDITY, Permits, Want};
use domain::state_machine::Part as _;
use domain::tenant_pool::{self, PoolConfiguration, TenantPool};
use proptest::prelude::*;

/// What such a host reads for a command, and how many parts that are.
fn load_sparsely<M: StateMachine>(
    head: Option<&[u8]>,
    parts: &BTreeMap<PartKey, Vec<u8>>,
    command: &M::Command,
    all: bool,
    now: Timestamp,
) -> (Resident<M>, usize) {
    let mut resident = Resident::load(head).unwrap();
    let named = M::reads(command);
    let mut read = 0;
    for (key, value) in parts {
        let due = decode::<M::Part>(value).unwrap().due();
        let standing = M::STANDING.contains(&key.kind);
        if named.contains(key) || (M::resident(*key) && (all || standing || due <= now)) {
            resident.supply(*key, value).unwrap();
            read += 1;
        }
    }
    (resident, read)
}

/// With two keys of their own limits, and money from a tenant's pool.
fn configure_all(version: u64) -> Command {
    let key = |id: u8| Key {
        budget: Some(NanoEur::new(3_000).unwrap()),
        rates: RateLimits { requests_per_minute: Some(30), tokens_per_minute: None },
        ..Key::new(format!("key-{id}"), KeyHash::from_bytes([id; 32]))
    };
    let pool = PoolTerms {
        name: "eu-tenant".into(),
        money: true,
        requests: true,
        tokens: false,
        period: Configuration::new("tenant", NanoEur::ZERO).period,
    };
    let configuration = Configuration {
        version,
        keys: (0..2).map(key).collect(),
        pool: Some(pool),
        routing_version: 1,
        ..Configuration::new("tenant", NanoEur::new(20_000).unwrap())
    };
    Command::Configure(Box::new(Configure { configuration }))
}

/// A call by one of the keys, with what the pool has granted.
fn reserve_by_key(now: Timestamp, id: u64) -> Command {
    let Command::Reserve(reserve) = reserve(now, id) else { unreachable!("it is one") };
    let permits = Permits { sequence: id, until: now.plus(PERMIT_VALIDITY), requests: 3, tokens: 0 };
    let grant = Grant {
        period_opened_at: START,
        period_ends_at: START.plus(Duration::from_secs(3_000)),
        granted: NanoEur::new(10_000).unwrap(),
        permits: Some(permits),
        ..Grant::default()
    };
    let key = Some(KeyHash::from_bytes([u8::try_from(id % 2).unwrap_or_default(); 32]));
    Command::Reserve(Box::new(Reserve { key, grant: Some(Box::new(grant)), ..*reserve }))
}

/// A service's hold of an amount, and the report that ends it.
fn hold_amount(now: Timestamp, id: u64) -> Command {
    let Command::Reserve(reserve) = reserve(now, id) else { unreachable!("it is one") };
    Command::Reserve(Box::new(Reserve { amount: Some(NanoEur::new(700).unwrap()), ..*reserve }))
}

fn report(id: u64, hold: Option<u64>) -> Command {
    let Command::Reserve(reserve) = reserve(START, id) else { unreachable!("it is one") };
    Command::Report(Box::new(Report {
        operation_id: request_id(900 + id),
        model: reserve.model,
        usage: tokens(50, 5),
        cost: None,
        tariff: reserve.tariff,
        served: reserve.served,
        tags: Vec::new(),
        foreign_id: "of their own".into(),
        hold: hold.map(request_id),
    }))
}

fn commands(kind: u8, id: u64, version: u64, now: Timestamp) -> Vec<Command> {
    match kind {
        0 => (0..id).map(|other| reserve(now, 100 + other)).collect(),
        1 | 2 => vec![reserve(now, id)],
        3 => vec![settle(id)],
        4 => vec![checkpoint(id)],
        5 => vec![release(now, id)],
        6 => vec![top_up(id)],
        7 => vec![adjust(id)],
        8 => vec![settle(100 + id)],
        9 => vec![configure(version, 1_000_000)],
        10 => vec![configure_all(version)],
        11..14 => vec![reserve_by_key(now, id)],
        14 => vec![hold_amount(now, id)],
        15 => vec![report(id, None)],
        16 => vec![report(id, Some(id))],
        17 => {
            vec![Command::Refund(Refund { operation_id: request_id(id), amount: NanoEur::new(40).unwrap() })]
        }
        18 => vec![Command::Reset(Reset { operation_id: request_id(id) })],
        19 => vec![Command::GiveBack(0)],
        20 => vec![Command::Authorize(KeyHash::from_bytes([0; 32])), Command::Inspect],
        _ => vec![Command::Wake],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_account_without_memory_answers_and_stores_the_same(
        happenings in prop::collection::vec((0u8..22, 0u64..40, 0u64..90), 1..60),
    ) {
        let mut with_memory = Host::configured();
        let mut disk = with_memory.disk.clone();
        for (at, (kind, id, seconds)) in happenings.into_iter().enumerate() {
            with_memory.later(Duration::from_secs(seconds * seconds));
            let now = with_memory.now;
            for command in commands(kind, id, 2 + at as u64, now) {
                let bytes = encode(&command);
                let reply = with_memory.apply(command);
                let command = decode(&bytes).unwrap();
                let (mut resident, _) =
                    load_sparsely::<Account>(disk.head.as_deref(), &disk.parts, &command, false, now);
                let stepped = resident.step(command, now);
                disk.apply(stepped.writes);
                prop_assert_eq!(stepped.reply, reply);
                prop_assert_eq!(&disk, &with_memory.disk);
            }
        }
    }
}

#[test]
fn a_step_reads_the_same_with_one_hold_and_with_a_thousand() {
    let read_with = |holds: u64| {
        let mut host = Host::configured();
        (0..holds).for_each(|id| drop(host.apply(reserve(START, id))));
        let commands =
            [reserve(START, 5_000), settle(holds - 1), checkpoint(0), release(START, 0), Command::Inspect];
        let read = |command| {
            load_sparsely::<Account>(host.disk.head.as_deref(), &host.disk.parts, &command, false, START).1
        };
        commands.map(read)
    };
    // The configuration, and the hold where it has a row of its own.
    assert!(read_with(1).into_iter().all(|parts| parts <= 2));
    assert!(read_with(1_000).into_iter().all(|parts| parts <= 2));
}

fn account(id: u8) -> AccountId {
    AccountId::new(Home::Eu, [id; 16])
}

fn want(of: u8, epoch: u64, target: i64) -> tenant_pool::Command {
    let want = Want {
        epoch,
        target: NanoEur::new(target).unwrap(),
        requests: epoch.min(1),
        gives_back: target < 50,
        void_to: epoch,
        ..Want::default()
    };
    tenant_pool::Command::Want(account(of), Box::new(want))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    /// A pool that is short sees all leases, since it asks for them when it sees that it is.
    #[test]
    fn a_pool_without_memory_answers_and_stores_the_same(
        happenings in prop::collection::vec((0u8..6, 0u8..12, 0u64..4, 0i64..400, 0u64..90), 1..60),
    ) {
        let mut with_memory = Resident::<TenantPool>::load(None).unwrap();
        let (mut head, mut parts) = (None, BTreeMap::new());
        let mut now = START;
        for (at, (kind, of, epoch, amount, seconds)) in happenings.into_iter().enumerate() {
            now = now.plus(Duration::from_secs(seconds));
            let command = match (at, kind) {
                (0, _) | (_, 0) => tenant_pool::Command::Configure(Box::new(PoolConfiguration {
                    version: at as u64 + 1,
                    tenant_id: "tenant".into(),
                    budget: Some(NanoEur::new(100 + amount).unwrap()),
                    period: Configuration::new("tenant", NanoEur::ZERO).period,
                    rates: RateLimits { requests_per_minute: Some(amount.unsigned_abs()), tokens_per_minute: None },
                })),
                (_, 1) => tenant_pool::Command::Wake,
                (_, 2) => tenant_pool::Command::Outstanding((epoch > 0).then(|| account(of))),
                _ => want(of, epoch, amount),
            };
            let bytes = encode(&command);
            let stepped = with_memory.step(command, now);
            let decide = |all: bool| {
                let command = decode(&bytes).unwrap();
                let all = all || TenantPool::reads_all(&command);
                let (mut resident, _) = load_sparsely::<TenantPool>(head.as_deref(), &parts, &command, all, now);
                resident.step(command, now)
            };
            let mut sparse = decide(false);
            if TenantPool::needed_all(&sparse.reply) {
                sparse = decide(true);
            }
            prop_assert_eq!(sparse.reply, stepped.reply);
            prop_assert_eq!(&sparse.writes, &stepped.writes);
            for write in stepped.writes {
                match write {
                    Write::Head(value) => head = Some(value),
                    Write::Put { key, value, .. } => drop(parts.insert(key, value)),
                    Write::Delete { key } => drop(parts.remove(&key)),
                    Write::PutEvents { .. } | Write::DeleteEventsThrough { .. } => {}
                }
            }
        }
    }
}
