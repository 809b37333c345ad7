//! The runner against a scripted wrangler (`fake_wrangler.sh`) and a web that answers as told.

use super::environment::{Environment, PRODUCTION};
use super::kept::Kept;
use super::plan::ORDER;
use super::runner::{self, World};
use super::web::{Answer, Question, Web};
use super::wrangler::Wrangler;
use super::{bootstrap_line, rendered};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// An account in a folder of its own, and what an operator sees of deploying to it.
struct Account {
    folder: PathBuf,
    environment: Environment,
    wrangler: Wrangler,
    web: ScriptedWeb,
    variables: BTreeMap<&'static str, &'static str>,
    said: RefCell<Vec<String>>,
}

#[derive(Default)]
struct ScriptedWeb {
    /// A function whose health is not what it should be.
    ill: Cell<Option<&'static str>>,
    asked: RefCell<Vec<Question>>,
    waits: Cell<u32>,
}

impl Web for ScriptedWeb {
    fn ask(&self, question: &Question) -> Result<Answer> {
        self.asked.borrow_mut().push(question.clone());
        let body: Value =
            question.body.as_deref().map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
        let (status, body) = if question.url.ends_with("/admin/auth/login") {
            match body["password"].as_str() {
                Some("the right one") => (200, json!({ "access_token": "a session" })),
                _ => (401, json!({ "code": "wrong_credentials" })),
            }
        } else {
            let function = ORDER.into_iter().find(|name| question.url.contains(&format!("-{name}.test.")));
            if function == self.ill.get() {
                bail!("nobody listens");
            }
            (200, json!({ "status": "ok", "function": function }))
        };
        Ok(Answer { status, body: body.to_string() })
    }

    fn wait(&self, _: Duration) {
        self.waits.set(self.waits.get() + 1);
    }
}

impl Account {
    fn new(test: &str) -> Self {
        let label = format!("test-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("fake-account-{label}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("wrangler.sh"), include_str!("fake_wrangler.sh")).unwrap();
        let file = crate::paths::root().join("infra/workers/deployment.jsonc");
        let production = Environment::read(&file, PRODUCTION).unwrap();
        let program = vec!["sh".into(), folder.join("wrangler.sh").into()];
        let account = Self {
            folder,
            environment: Environment { label, ..production },
            wrangler: Wrangler::with_program(program, None),
            web: ScriptedWeb::default(),
            variables: BTreeMap::new(),
            said: RefCell::default(),
        };
        account.write("accounts", r#"{"loggedIn": true, "accounts": [{"id": "a1", "name": "Ours"}]}"#);
        account
    }

    fn world_of<'a>(
        &'a self,
        variable: &'a dyn Fn(&str) -> Option<String>,
        say: &'a dyn Fn(&str),
    ) -> World<'a, ScriptedWeb> {
        World { wrangler: &self.wrangler, web: &self.web, kept: self.kept(), variable, say }
    }

    fn with_world<T>(&self, act: impl FnOnce(&World<'_, ScriptedWeb>) -> T) -> T {
        let variable = |name: &str| self.variables.get(name).map(|value| (*value).to_owned());
        let say = |line: &str| self.said.borrow_mut().push(line.to_owned());
        act(&self.world_of(&variable, &say))
    }

    fn deploy(&self) -> Result<()> {
        self.with_world(|world| runner::deploy(&self.environment, world))
    }

    fn roll_back(&self) -> Result<()> {
        self.with_world(|world| runner::roll_back(&self.environment, world))
    }

    fn kept(&self) -> Kept {
        Kept::in_folder(self.folder.join("kept"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.join(name), content).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// Every command that changes something, shortened, since the last call of this.
    fn acts(&self) -> Vec<String> {
        let calls = self.read("calls");
        self.write("calls", "");
        let questions = ["whoami", "d1 list", "secret list", "deployments status"];
        let acts = calls.lines().filter(|line| !questions.iter().any(|question| line.starts_with(question)));
        let target = format!("{}/", rendered::folder(&self.environment).display());
        acts.map(|line| line.replace(&target, "").replace("/wrangler.jsonc", "")).collect()
    }

    /// What a Worker was given last over standard input.
    fn secrets(&self, function: &str) -> BTreeMap<String, String> {
        serde_json::from_str(&self.read(&format!("worker-cloudfreedom-{function}/stdin"))).unwrap()
    }

    fn version(&self, function: &str) -> String {
        self.read(&format!("worker-cloudfreedom-{function}/version"))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_dir_all(rendered::folder(&self.environment));
    }
}

#[test]
fn a_fresh_account_is_filled_in_order() {
    let account = Account::new("order");
    account.deploy().unwrap();
    assert_eq!(
        account.acts(),
        [
            "d1 create cloudfreedom --jurisdiction eu",
            "d1 migrations apply cloudfreedom --remote --config billing",
            "secret bulk --name cloudfreedom-billing",
            "secret bulk --name cloudfreedom-admin-api",
            "secret bulk --name cloudfreedom-cron-reset",
            "secret bulk --name cloudfreedom-proxy",
            "deploy --config billing",
            "deploy --config admin-api",
            "deploy --config cron-reset",
            "deploy --config stripe-webhook",
            "deploy --config proxy",
        ]
    );
    let config = fs::read_to_string(rendered::config_file(&account.environment, "proxy")).unwrap();
    assert!(config.contains("id-of-cloudfreedom"), "{config}");
    let asked = account.web.asked.borrow();
    assert_eq!(asked.len(), ORDER.len() + 1);
    assert_eq!(asked[0].url, "https://cloudfreedom-billing.test.workers.dev/health");
}

#[test]
fn p29_a_second_deployment_makes_nothing_and_only_deploys() {
    let account = Account::new("again");
    account.deploy().unwrap();
    account.acts();
    account.deploy().unwrap();
    let acts = account.acts();
    assert_eq!(acts[0], "d1 migrations apply cloudfreedom --remote --config billing");
    assert_eq!(acts[1..], ORDER.map(|function| format!("deploy --config {function}")));
}

#[test]
fn no_secret_is_in_an_argument_or_said() {
    let mut account = Account::new("secrecy");
    account.variables = BTreeMap::from([
        ("MAIL_API_KEY", "a-key-for-mail"),
        ("SMOKE_TEST_EMAIL", "admin@example.com"),
        ("SMOKE_TEST_PASSWORD", "the right one"),
    ]);
    account.deploy().unwrap();
    account.write("fail", "secret bulk*");
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("it fails on purpose"), "{error}");
    account.said.borrow_mut().push(error);
    let seen = format!("{}{}", account.read("calls"), account.said.borrow().join("\n"));
    let mut values = vec!["a-key-for-mail".to_owned(), "the right one".to_owned(), "a session".to_owned()];
    for function in ["billing", "admin-api", "cron-reset", "proxy"] {
        values.extend(account.secrets(function).into_values());
    }
    assert_eq!(values.len(), 3 + 2 + 2 + 2 + 2);
    for value in values {
        assert!(value.len() > 8 && !seen.contains(&value), "{seen}");
    }
    assert!(seen.contains("API_KEY_PEPPER_1 (made now)") && seen.contains("MAIL_API_KEY (given)"), "{seen}");
}

#[test]
fn functions_that_share_a_secret_get_the_same_value() {
    let account = Account::new("shared");
    account.deploy().unwrap();
    let (billing, proxy) = (account.secrets("billing"), account.secrets("proxy"));
    assert_eq!(billing, proxy);
    assert_eq!(billing["PROVIDER_KEYS_KEY_1"], account.secrets("cron-reset")["PROVIDER_KEYS_KEY_1"]);
    assert_ne!(billing["PROVIDER_KEYS_KEY_1"], billing["API_KEY_PEPPER_1"]);
    domain::provider_key::master_key(&billing["PROVIDER_KEYS_KEY_1"]).unwrap();
    assert!(account.secrets("admin-api")["SESSION_KEY_P256"].as_bytes()[0] < b'8');
}

#[test]
fn the_bootstrap_token_lies_in_a_file_of_its_owner_which_alone_is_named() {
    let account = Account::new("token");
    account.deploy().unwrap();
    let file = account.kept().token_file();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(token.trim(), account.secrets("admin-api")["BOOTSTRAP_TOKEN"]);
    let line = bootstrap_line("https://cloudfreedom-admin-api.test.workers.dev", &file);
    assert!(account.said.borrow().contains(&line), "{:?}", account.said.borrow());
    assert!(line.contains(file.to_str().unwrap()) && !line.contains(token.trim()));
}

#[test]
fn a_deployment_that_died_between_secrets_goes_on_with_the_same_values() {
    let account = Account::new("interrupted");
    for _ in 0..2 {
        account.write("fail", "secret bulk --name cloudfreedom-proxy");
        let error = format!("{:#}", account.deploy().unwrap_err());
        assert!(error.contains("nothing was deployed"), "{error}");
    }
    let before = account.secrets("billing");
    account.remove("fail");
    account.deploy().unwrap();
    assert_eq!(account.secrets("billing"), before);
    assert_eq!(account.secrets("proxy"), before);
    assert!(account.kept().unfinished().unwrap().is_empty());
}

#[test]
fn a_secret_that_one_function_lost_stops_everything_before_it_begins() {
    let account = Account::new("torn");
    account.deploy().unwrap();
    account.acts();
    account.write("worker-cloudfreedom-proxy/secrets", "PROVIDER_KEYS_KEY_1\n");
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("API_KEY_PEPPER_1 is set in cloudfreedom-billing"), "{error}");
    assert_eq!(account.acts(), [""; 0]);
}

#[test]
fn a_failing_smoke_test_rolls_back_what_was_deployed() {
    let account = Account::new("smoke");
    account.deploy().unwrap();
    account.acts();
    account.web.ill.set(Some("proxy"));
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("rolled back: billing, admin-api, cron-reset, stripe-webhook, proxy"), "{error}");
    assert!(error.contains("nobody listens"), "{error}");
    let acts = account.acts();
    let rollbacks: Vec<_> = acts.iter().filter_map(|act| act.strip_prefix("rollback ")).collect();
    assert_eq!(rollbacks.len(), ORDER.len());
    for (act, function) in rollbacks.into_iter().zip(ORDER.into_iter().rev()) {
        assert!(act.starts_with(&format!("v1-of-cloudfreedom-{function} ")), "{act}");
        assert_eq!(account.version(function), format!("v1-of-cloudfreedom-{function}"));
    }
    assert!(account.web.waits.get() > 0, "a new host takes its time");
}

#[test]
fn a_deployment_that_fails_half_way_leaves_the_earlier_versions() {
    let account = Account::new("half");
    account.deploy().unwrap();
    account.write("fail", "deploy --config *cron-reset*");
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("rolled back: billing, admin-api, cron-reset"), "{error}");
    for function in ORDER {
        assert_eq!(account.version(function), format!("v1-of-cloudfreedom-{function}"));
    }
}

#[test]
fn a_first_deployment_has_nothing_to_go_back_to_and_says_so() {
    let account = Account::new("first");
    account.web.ill.set(Some("billing"));
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("no earlier version of billing"), "{error}");
    assert!(!account.acts().iter().any(|act| act.starts_with("rollback")));
}

#[test]
fn what_cannot_be_rolled_back_is_told_and_does_not_stop_the_rest() {
    let account = Account::new("stuck");
    account.deploy().unwrap();
    account.web.ill.set(Some("proxy"));
    account.write("fail", "rollback * --name cloudfreedom-billing *");
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("billing was not rolled back to v1-of-cloudfreedom-billing"), "{error}");
    assert_eq!(account.version("proxy"), "v1-of-cloudfreedom-proxy");
}

#[test]
fn a_deployment_that_works_can_be_rolled_back_later() {
    let account = Account::new("later");
    assert!(account.roll_back().is_err(), "nothing has been deployed");
    account.deploy().unwrap();
    account.deploy().unwrap();
    assert_eq!(account.version("billing"), "v2-of-cloudfreedom-billing");
    for _ in 0..2 {
        account.roll_back().unwrap();
        for function in ORDER {
            assert_eq!(account.version(function), format!("v1-of-cloudfreedom-{function}"));
        }
    }
}

#[test]
fn a_wrong_password_of_the_administrator_fails_the_smoke_test() {
    let mut account = Account::new("login");
    account.variables =
        BTreeMap::from([("SMOKE_TEST_EMAIL", "a@example.com"), ("SMOKE_TEST_PASSWORD", "wrong")]);
    let error = format!("{:#}", account.deploy().unwrap_err());
    assert!(error.contains("/admin/auth/login answered 401"), "{error}");
}

#[test]
fn without_a_log_in_or_with_two_accounts_nothing_begins() {
    let account = Account::new("accounts");
    account.write("accounts", r#"{"loggedIn": false}"#);
    assert!(account.deploy().unwrap_err().to_string().contains("CLOUDFLARE_API_TOKEN"));
    let two =
        r#"{"loggedIn": true, "accounts": [{"id": "a1", "name": "Ours"}, {"id": "a2", "name": "Theirs"}]}"#;
    account.write("accounts", two);
    assert!(account.deploy().unwrap_err().to_string().contains("a2 (Theirs)"));
    assert_eq!(account.acts(), [""; 0]);
}
