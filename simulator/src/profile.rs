//! What kind of world a seed makes. Each profile looks for one kind of trouble.

/// "One in so many" fields are off at 0; pairs are a lowest and a highest value that the seed picks from.
#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    pub tenants: (u64, u64),
    pub accounts: (u64, u64),
    /// In some worlds there are [`LARGE_TIMES`] as many.
    pub clients: (u64, u64),
    pub calls_per_client: (u64, u64),
    /// The plan's budget, in worst cases of a usual call.
    pub budget_in_calls: (u64, u64),
    /// Milliseconds that a client thinks between two calls.
    pub pause_ms: (u64, u64),
    /// Reports, top-ups, adjustments, resets and changed limits.
    pub operations: (u64, u64),
    pub faults: Faults,
    pub disasters: Disasters,
    /// Upstream answers that are not an orderly success, one in so many.
    pub odd_answer_one_in: u64,
    /// Callers who leave before the end, one in so many.
    pub leaves_one_in: u64,
}

impl Profile {
    /// Whether every question is answered, by one host or another.
    pub const fn only_clocks_differ(&self) -> bool {
        let Faults { lost, delayed, repeated, machine_dies, database_fails, host_dies, skew_ms: _ } =
            self.faults;
        let Disasters { host_kills, machine_kills: _, database_outages, cut_offs, clock_jumps } =
            self.disasters;
        lost + delayed + repeated + machine_dies + database_fails + host_dies == 0
            && host_kills.1 + database_outages.1 + cut_offs.1 + clock_jumps.1 == 0
    }
}

/// One world in so many is large.
pub const LARGE_ONE_IN: u64 = 10;
pub const LARGE_TIMES: u64 = 4;

/// What goes wrong with a single message, step or statement, one in so many.
#[derive(Debug)]
pub struct Faults {
    pub lost: u64,
    pub delayed: u64,
    pub repeated: u64,
    pub machine_dies: u64,
    pub database_fails: u64,
    /// A proxy's host dies at one of the points of P3 during this call.
    pub host_dies: u64,
    /// How far a host's clock may be off, in milliseconds: half of what two may differ by.
    pub skew_ms: u64,
}

/// What befalls a whole world, so many times.
#[derive(Debug)]
pub struct Disasters {
    pub host_kills: (u64, u64),
    pub machine_kills: (u64, u64),
    pub database_outages: (u64, u64),
    /// Machines that nobody reaches for minutes.
    pub cut_offs: (u64, u64),
    /// All clocks jump ahead by up to five weeks.
    pub clock_jumps: (u64, u64),
}

const CALM: Faults =
    Faults { lost: 0, delayed: 0, repeated: 0, machine_dies: 0, database_fails: 0, host_dies: 0, skew_ms: 0 };
const NO_DISASTERS: Disasters = Disasters {
    host_kills: (0, 0),
    machine_kills: (0, 0),
    database_outages: (0, 0),
    cut_offs: (0, 0),
    clock_jumps: (0, 0),
};

/// Nothing breaks but the upstream: whatever a call is charged must be exact.
pub static CALM_WORLD: Profile = Profile {
    name: "calm",
    tenants: (1, 2),
    accounts: (1, 3),
    clients: (1, 3),
    calls_per_client: (1, 5),
    budget_in_calls: (3, 60),
    pause_ms: (0, 20_000),
    operations: (0, 4),
    faults: CALM,
    disasters: NO_DISASTERS,
    odd_answer_one_in: 2,
    leaves_one_in: 4,
};

/// Hosts die at every point of a call, machines at every point of a step; messages go astray.
pub static CRASHES: Profile = Profile {
    name: "crashes",
    tenants: (1, 2),
    accounts: (2, 4),
    clients: (1, 3),
    calls_per_client: (2, 6),
    budget_in_calls: (5, 80),
    pause_ms: (0, 60_000),
    operations: (0, 6),
    faults: Faults {
        lost: 30,
        delayed: 30,
        repeated: 12,
        machine_dies: 25,
        database_fails: 12,
        host_dies: 3,
        skew_ms: 120_000,
    },
    disasters: Disasters {
        host_kills: (0, 2),
        machine_kills: (0, 3),
        database_outages: (0, 1),
        cut_offs: (0, 1),
        clock_jumps: (0, 0),
    },
    odd_answer_one_in: 3,
    leaves_one_in: 6,
};

/// Many callers want the last euros of one account at once.
pub static CONTENTION: Profile = Profile {
    name: "contention",
    tenants: (1, 1),
    accounts: (1, 4),
    clients: (4, 8),
    calls_per_client: (1, 3),
    budget_in_calls: (1, 6),
    pause_ms: (0, 30),
    operations: (0, 8),
    faults: Faults { lost: 30, delayed: 30, repeated: 15, machine_dies: 40, skew_ms: 60_000, ..CALM },
    disasters: NO_DISASTERS,
    odd_answer_one_in: 4,
    leaves_one_in: 8,
};

/// Months pass, also in the middle of calls; resets by hand; clocks that disagree.
pub static PERIODS: Profile = Profile {
    name: "periods",
    tenants: (1, 2),
    accounts: (1, 3),
    clients: (1, 3),
    calls_per_client: (2, 6),
    budget_in_calls: (2, 12),
    pause_ms: (0, 600_000),
    operations: (2, 12),
    faults: Faults {
        lost: 40,
        delayed: 30,
        repeated: 15,
        machine_dies: 30,
        database_fails: 30,
        host_dies: 12,
        skew_ms: 300_000,
    },
    disasters: Disasters {
        host_kills: (0, 1),
        machine_kills: (0, 1),
        database_outages: (0, 0),
        cut_offs: (0, 1),
        clock_jumps: (1, 6),
    },
    odd_answer_one_in: 4,
    leaves_one_in: 6,
};

/// Everything comes again, up to five times, at once or a day later, and in another order.
pub static REPEATS: Profile = Profile {
    name: "repeats",
    tenants: (1, 1),
    accounts: (1, 3),
    clients: (1, 3),
    calls_per_client: (2, 4),
    budget_in_calls: (3, 20),
    pause_ms: (0, 2_000),
    operations: (3, 10),
    faults: Faults { lost: 20, delayed: 15, repeated: 2, machine_dies: 20, skew_ms: 120_000, ..CALM },
    disasters: NO_DISASTERS,
    odd_answer_one_in: 4,
    leaves_one_in: 6,
};

/// The database is away for long, and outboxes fill up.
pub static BACKLOG: Profile = Profile {
    name: "backlog",
    tenants: (1, 2),
    accounts: (1, 3),
    clients: (1, 3),
    calls_per_client: (3, 8),
    budget_in_calls: (10, 80),
    pause_ms: (0, 10_000),
    operations: (0, 4),
    faults: Faults { machine_dies: 25, database_fails: 3, lost: 40, ..CALM },
    disasters: Disasters {
        host_kills: (0, 1),
        machine_kills: (1, 4),
        database_outages: (1, 4),
        cut_offs: (0, 2),
        clock_jumps: (0, 1),
    },
    odd_answer_one_in: 5,
    leaves_one_in: 8,
};

/// Nothing fails, but every host has another time, and machines move from host to host: nobody is shut out.
pub static CLOCKS: Profile = Profile {
    name: "clocks",
    tenants: (1, 2),
    accounts: (1, 3),
    clients: (1, 4),
    calls_per_client: (2, 8),
    budget_in_calls: (3, 60),
    pause_ms: (0, 60_000),
    operations: (0, 4),
    faults: Faults { skew_ms: 300_000, ..CALM },
    disasters: Disasters { machine_kills: (1, 6), ..NO_DISASTERS },
    odd_answer_one_in: 4,
    leaves_one_in: 8,
};

/// What a seed picks from when nobody names a profile.
pub static ALL: [&Profile; 7] = [&CALM_WORLD, &CRASHES, &CONTENTION, &PERIODS, &REPEATS, &BACKLOG, &CLOCKS];

pub fn of_seed(seed: u64) -> &'static Profile {
    ALL[(seed % ALL.len() as u64) as usize]
}
