//! Bounded runs: a million accounts fit the host's limits, and a run that dies is continued.

mod scene;

use core::time::Duration;
use cron_reset::scheduled;
use domain::account::Balance;
use futures_executor::block_on;
use futures_util::future::join;
use platform::Clock;
use platform_memory::{LastQuestion, MemoryPlatform};
use scene::{
    CRON, LEASE, MONTH, add_users, balance, count, empty, host, let_others_run, rows, run, run_within, spend,
};

const FAR_FUTURE: i64 = 1 << 50;

/// Fifty pages of accounts in a fraction of the questions that a run may ask.
#[test]
fn p13_a_pass_over_many_accounts_takes_many_bounded_runs_and_visits_each_once() {
    const ACCOUNTS: u32 = 5_000;
    const QUESTIONS: usize = 450;
    let platform = empty();
    add_users(&platform, ACCOUNTS, FAR_FUTURE);
    let mut runs = 0;
    let mut visited = 0;
    loop {
        let summary = run_within(&platform, QUESTIONS);
        assert!(summary.questions <= QUESTIONS, "{summary:?}");
        assert_eq!(summary.all_failures(), 0);
        runs += 1;
        visited += summary.of("sleeping_accounts").done;
        platform.advance(CRON);
        if summary.of("sleeping_accounts").finished {
            break;
        }
    }
    assert_eq!(visited, u64::from(ACCOUNTS));
    // 100 accounts cost 102 questions with the stored cursor, and four such slices fit; one more finds the end.
    assert_eq!(runs, 13);
    // The pass is over: nobody is visited again before the day is.
    assert_eq!(run_within(&platform, QUESTIONS).of("sleeping_accounts").slices, 0);
    platform.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(run_within(&platform, QUESTIONS).of("sleeping_accounts").done, 400);
}

/// All periods end at once, and nobody is asked.
#[test]
fn p13_a_thousand_views_cost_three_questions() {
    const ACCOUNTS: u32 = 5_000;
    let platform = empty();
    add_users(&platform, ACCOUNTS, 0);
    let summary = run_within(&platform, 150);
    let views = summary.of("due_resets");
    assert_eq!((views.done, views.slices, views.finished), (u64::from(ACCOUNTS), 6, true));
    assert_eq!(platform.applied(), 0);
    let now = platform.now().as_millis();
    let sql =
        "SELECT COUNT(*) AS n FROM users WHERE budget_reset_at = (SELECT MIN(budget_reset_at) FROM users)";
    assert_eq!(count(&platform, sql), i64::from(ACCOUNTS));
    assert!(scene::view(&platform, 0) > now);
}

#[test]
fn a_long_job_starves_no_other() {
    let platform = host(900);
    let summary = run_within(&platform, 600);
    for job in ["pending_changes", "sleeping_accounts"] {
        let job = summary.of(job);
        assert!(job.slices >= 2 && !job.finished, "{job:?}");
    }
    assert!(summary.of("pruning").finished);
    assert!(summary.questions <= 600);
}

/// What runs leave behind, apart from when they did it: an account's period opens when it first hears of it.
fn outcome(platform: &MemoryPlatform, accounts: u32) -> Vec<String> {
    let sql = "SELECT id || ' ' || budget_reset_at AS line FROM users
      UNION ALL SELECT account_id || ' is pending' FROM pending_pushes
      UNION ALL SELECT account_id || ' paid ' || cost_nano_eur FROM usage_logs
      UNION ALL SELECT subject FROM login_attempts
      UNION ALL SELECT job || ' goes on at ' || cursor FROM schedules ORDER BY line";
    let lines =
        rows(platform, sql).iter().map(|row| row.text("line").unwrap().to_owned()).collect::<Vec<_>>();
    let account = |n| {
        let Balance { budget, used, remaining, resets_at, configuration_version, .. } = balance(platform, n);
        format!(
            "{n}: {budget} - {used} = {remaining} until {} at {configuration_version}",
            resets_at.to_rfc3339()
        )
    };
    (0..accounts).map(account).chain(lines).collect()
}

/// Accounts that must be told, ones that are due, ones with rows that wait, and something to prune.
fn busy_host() -> MemoryPlatform {
    let platform = host(30);
    run(&platform);
    for n in 0..3 {
        spend(&platform, n);
    }
    platform.advance(MONTH);
    platform.execute_sql(
        "UPDATE users SET budget_nano_eur = 7000000000, configuration_version = 2;
         INSERT INTO pending_pushes (account_id, version, since) SELECT id, 2, 0 FROM users;
         INSERT INTO login_attempts VALUES ('old', 1, 0)",
    );
    platform
}

fn later_runs(platform: &MemoryPlatform) {
    for _ in 0..2 {
        platform.advance(LEASE);
        assert_eq!(run(platform).all_failures(), 0);
    }
}

#[test]
fn p13_a_run_that_dies_at_any_question_is_continued_to_the_same_end() {
    let undisturbed = busy_host();
    let before = undisturbed.questions();
    run(&undisturbed);
    let questions = undisturbed.questions() - before;
    later_runs(&undisturbed);
    let expected = outcome(&undisturbed, 30);
    assert!(questions > 90, "{questions}");
    // Every question near the slices' ends, and a sample of those that are all alike.
    for died_at in (0..questions).filter(|n| n % 7 == 0 || *n < 10 || *n + 30 > questions) {
        for last in [LastQuestion::Unasked, LastQuestion::Unanswered] {
            let platform = busy_host();
            platform.fail_after(died_at, last);
            run(&platform);
            platform.revive();
            platform.crash();
            later_runs(&platform);
            assert!(outcome(&platform, 30) == expected, "died at {died_at}, {last:?}");
        }
    }
}

#[test]
fn a_dead_runs_jobs_are_free_for_the_next_run_and_not_before() {
    let platform = host(60);
    platform.fail_after(100, LastQuestion::Unasked);
    run(&platform);
    platform.revive();
    let told = 60 - count(&platform, "SELECT COUNT(*) AS n FROM pending_pushes");
    assert!(told > 0);
    platform.advance(CRON);
    assert_eq!(run(&platform).jobs, []);
    platform.advance(LEASE);
    run(&platform);
    assert_eq!(count(&platform, "SELECT COUNT(*) AS n FROM pending_pushes"), 0);
}

#[test]
fn two_runs_at_once_share_nothing_and_do_what_one_does() {
    let alone = busy_host();
    run(&alone);
    let platform = busy_host();
    platform.take_turns(true);
    let (one, other) = block_on(join(scheduled(&platform, ""), scheduled(&platform, "")));
    platform.take_turns(false);
    assert_eq!(one.jobs.len().min(other.jobs.len()), 0, "{one:?} {other:?}");
    assert_eq!(outcome(&platform, 30), outcome(&alone, 30));
}

#[test]
fn p13_two_runs_that_both_believe_to_hold_the_lease_do_no_harm() {
    let alone = busy_host();
    run(&alone);
    later_runs(&alone);
    let expected = outcome(&alone, 30);
    for overtaken_after in [2, 5, 20, 60, 120] {
        let platform = busy_host();
        platform.take_turns(true);
        let overtaking = async {
            while platform.questions() < overtaken_after {
                let_others_run().await;
            }
            // The first run goes on all the same.
            platform.advance(LEASE);
            scheduled(&platform, "").await
        };
        block_on(join(scheduled(&platform, ""), overtaking));
        platform.take_turns(false);
        later_runs(&platform);
        assert!(outcome(&platform, 30) == expected, "overtaken after {overtaken_after}");
    }
}
