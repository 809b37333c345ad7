//! Fault points and a clock for tests, behind `testHooks` of the run, which no developer's host has.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use platform::PlatformError;
use std::collections::BTreeMap;

/// As long as a caller waits for a ledger that is silent.
const HANG: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct TestHooks {
    clock_offset: Cell<i64>,
    /// By the machine's name: `hang`, `fail` or `panic`.
    faults: RefCell<BTreeMap<String, String>>,
}

#[allow(clippy::disallowed_methods, reason = "this is the host's clock")]
pub fn wall_clock_millis() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

impl TestHooks {
    pub fn clock_offset(&self) -> i64 {
        self.clock_offset.get()
    }

    pub fn set_clock_offset(&self, milliseconds: i64) {
        self.clock_offset.set(milliseconds);
    }

    /// None: the machine works again.
    pub fn set_fault(&self, name: &str, fault: Option<&str>) {
        let mut faults = self.faults.borrow_mut();
        match fault {
            Some(fault) => drop(faults.insert(name.to_owned(), fault.to_owned())),
            None => drop(faults.remove(name)),
        }
    }

    /// What the machine of this name shall do instead of its work.
    pub async fn fault(&self, name: &str) -> Result<(), PlatformError> {
        let fault = self.faults.borrow().get(name).cloned();
        match fault.as_deref() {
            Some("hang") => {
                tokio::time::sleep(HANG).await;
                Err(PlatformError::timed_out(name))
            }
            Some("fail") => Err(PlatformError::unavailable("a fault was asked for")),
            Some("panic") => panic!("a test asked for a panic"),
            _ => Ok(()),
        }
    }
}
