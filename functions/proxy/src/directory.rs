//! Where a model's calls go: read from the directory once a minute, kept in memory meanwhile.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use domain::identity::AccountId;
use domain::provider_key;
use domain::routing::{RoutingSnapshot, Target, TargetKind};
use domain::time::Timestamp;
use http_api::Problem;
use platform::{Platform, PlatformError};
use std::collections::HashMap;
use std::rc::Rc;

/// How long a snapshot is used before it is read again. Prices are fixed by the account at `Reserve`,
/// which also refuses snapshots that are too old.
const FRESH: Duration = Duration::from_secs(60);
/// Entries in memory; at the limit the memory is emptied.
const ENTRIES_MAX: usize = 2_000;

/// A snapshot with its provider's key opened.
pub struct Route {
    pub snapshot: RoutingSnapshot,
    /// The key of the first target, if it needs one.
    pub provider_key: Option<String>,
    /// Whether the last stream from the target ended with its usage.
    pub reports_usage: Cell<bool>,
    loaded_at: Timestamp,
}

impl Route {
    /// The target to call. A snapshot without targets is not kept.
    pub fn target(&self) -> &Target {
        &self.snapshot.targets[0]
    }
}

std::thread_local! {
    static ROUTES: RefCell<HashMap<(AccountId, String), Rc<Route>>> = RefCell::default();
}

/// The route of `model` for the tenant of `account`; `None` if the tenant has no such model. `is_stale`: the account
/// knows of newer routing than what was kept.
pub async fn route(
    platform: &impl Platform,
    account: AccountId,
    model: &str,
    is_stale: bool,
) -> Result<Option<Rc<Route>>, Problem> {
    let key = (account, model.to_owned());
    let now = platform.now();
    let known = ROUTES.with_borrow(|routes| routes.get(&key).cloned());
    let is_fresh =
        |route: &&Rc<Route>| !is_stale && now < route.loaded_at.plus(FRESH) && now >= route.loaded_at;
    if let Some(route) = known.as_ref().filter(is_fresh) {
        return Ok(Some(route.clone()));
    }
    let max_age = if is_stale { Duration::ZERO } else { FRESH };
    let found = store::routing_snapshots::find_for_account(platform, account, model, max_age).await;
    let snapshot = found.map_err(|error| unavailable(&error))?.and_then(|(_, snapshot)| snapshot);
    let Some(snapshot) = snapshot.filter(|found| !found.targets.is_empty()) else { return Ok(None) };
    let provider_key = open_key(platform, &snapshot.targets[0]).await?;
    let same_target = known.filter(|known| known.target() == &snapshot.targets[0]);
    let reports_usage = Cell::new(same_target.is_some_and(|known| known.reports_usage.get()));
    let route = Rc::new(Route { snapshot, provider_key, reports_usage, loaded_at: now });
    ROUTES.with_borrow_mut(|routes| {
        if routes.len() >= ENTRIES_MAX {
            routes.clear();
        }
        routes.insert(key, route.clone());
    });
    Ok(Some(route))
}

async fn open_key(platform: &impl Platform, target: &Target) -> Result<Option<String>, Problem> {
    let TargetKind::OpenAiCompatible { sealed_key: Some(sealed), .. } = &target.kind else { return Ok(None) };
    let master = platform.secret("PROVIDER_KEYS_KEY_1").await.map_err(|error| unavailable(&error))?;
    let opened = provider_key::master_key(master.expose())
        .and_then(|master| provider_key::open(&master, &target.provider, sealed));
    opened.map(Some).map_err(|error| {
        log::error!("the key of provider {} cannot be used: {error}", target.provider);
        Problem::unavailable(
            "provider_not_configured",
            "The provider of this model is not configured. Ask your administrator.",
        )
    })
}

pub fn unavailable(error: &PlatformError) -> Problem {
    log::error!("the directory did not answer: {error}");
    Problem::unavailable(
        "directory_unavailable",
        "The model cannot be looked up at the moment. Retry shortly.",
    )
}
