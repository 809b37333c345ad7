//! How SQLite runs the statements of schedules and notices: none scans a table that grows.

use crate::plan;
use platform::Statement;

#[test]
fn p25_no_schedule_and_no_notice_scans_a_table_that_grows() {
    let at = domain::time::Timestamp::EPOCH;
    let prunings = [
        crate::login_attempts::prune(at),
        crate::sessions::prune(at),
        crate::notices::prune(at),
        crate::outbox_mails::prune(at),
        crate::idempotent_requests::prune(at),
    ];
    let constants = [
        &crate::pending_pushes::STATEMENTS[..],
        &crate::reset_views::STATEMENTS[..],
        &crate::tenant_pools::STATEMENTS[..],
        &crate::notices::STATEMENTS[..],
        &crate::deliveries::STATEMENTS[..],
        &crate::webhook_endpoints::STATEMENTS[..],
    ];
    let statements = constants.concat().into_iter().map(Statement::new).chain(prunings);
    for statement in statements {
        let plan = plan::of(statement.sql);
        for step in plan.split("; ").filter(|step| step.starts_with("SCAN")) {
            // The parameter's own list, an endpoint's list, and an index that holds only what is due.
            let bounded = step.contains("VIRTUAL TABLE") || step.contains("notices_unplanned");
            assert!(bounded, "{step} of {plan}: {}", statement.sql);
        }
        assert!(!plan.contains("TEMP B-TREE"), "{plan}: {}", statement.sql);
    }
}

/// A user's keys are sorted, which are few; everything else is found by its id.
#[test]
fn p25_many_configurations_are_loaded_by_their_ids() {
    let plan = plan::of(crate::configuration::LOAD);
    let scans: Vec<_> = plan.split("; ").filter(|step| step.starts_with("SCAN")).collect();
    assert_eq!(scans, ["SCAN asked VIRTUAL TABLE INDEX 1:", "SCAN k"], "{plan}");
    for found in ["users_1 (id=?)", "tenants_1 (id=?)", "api_keys_of_user (user_id=?)"] {
        assert!(plan.contains(found), "{plan}");
    }
}
