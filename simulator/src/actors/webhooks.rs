//! Where tenants want to be told of notices: a receiver that is now and then out of order, and looks at every message.

use crate::mutants::HostFlaw;
use crate::setting::MASTER_KEY;
use crate::world::World;
use bytes::Bytes;
use domain::provider_key;
use domain::time::Timestamp;
use domain::webhook_signature::{self, SECRET_BYTES};
use http::{Request, Response};
use platform::{Body, PlatformError, Statement};
use std::collections::BTreeMap;
use std::rc::Rc;
use store::webhook_endpoints::{self, NewEndpoint, sealing_name};

const ADDRESS: &str = "https://hooks.example.com/";
/// How often a message is not taken at most, so that none is ever given up.
const REFUSALS_MAX: u64 = 2;
/// Longer than anybody waits for an answer.
const HANGS_MS: u64 = 11_000;

/// By tenant and message: the body, and how often it came.
#[derive(Default)]
pub struct Received(BTreeMap<(String, String), (Bytes, u64)>);

/// A tenant's endpoint, for all notices.
pub fn endpoint(tenant: &str, now: Timestamp) -> Statement {
    let (id, url) = (format!("hook-{tenant}"), format!("{ADDRESS}{tenant}"));
    let sealed_secret = provider_key::seal(&MASTER_KEY, &sealing_name(&id), &secret(tenant), &[7; 24]);
    let events = ["*".to_owned()];
    let endpoint =
        NewEndpoint { id: &id, tenant_id: tenant, url: &url, events: &events, sealed_secret: &sealed_secret };
    webhook_endpoints::insert(&endpoint, now)
}

fn secret(tenant: &str) -> String {
    let mut bytes = [1; SECRET_BYTES];
    bytes.iter_mut().zip(tenant.bytes()).for_each(|(byte, letter)| *byte = letter);
    webhook_signature::new_secret(&bytes)
}

pub async fn receive(world: &Rc<World>, request: &Request<Bytes>) -> Result<Response<Body>, PlatformError> {
    if world.mutant.host == HostFlaw::LosesWebhooks {
        return Ok(answer(200));
    }
    let times = match look(world, request) {
        Ok(times) => times,
        Err(claim) => {
            world.violated(None, claim);
            return Ok(answer(400));
        }
    };
    world.statistics.count("webhooks received");
    let dice = &world.dice.upstream;
    if times > REFUSALS_MAX || !world.strikes(dice, 3) {
        return Ok(answer(204));
    }
    world.statistics.count("webhooks not taken");
    match dice.below(3) {
        0 => Ok(answer(500)),
        1 => Err(PlatformError::unavailable("the answer to a webhook was lost")),
        _ => {
            world.executor.sleep_ms(HANGS_MS).await;
            Ok(answer(200))
        }
    }
}

fn answer(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::new()));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}

/// How often this message has come. It is signed, and the same each time.
fn look(world: &World, request: &Request<Bytes>) -> Result<u64, String> {
    let header = |name: &str| match request.headers().get(name).and_then(|value| value.to_str().ok()) {
        Some("") | None => Err(format!("a webhook has no {name}")),
        Some(value) => Ok(value.to_owned()),
    };
    let tenant = request.uri().path().trim_start_matches('/').to_owned();
    let (id, body) = (header("webhook-id")?, request.body().clone());
    let seconds: i64 = header("webhook-timestamp")?.parse().map_err(|_| "a webhook's time is no number")?;
    let at = Timestamp::from_millis(seconds.saturating_mul(1_000));
    let signature = match world.mutant.host {
        HostFlaw::SignsNoWebhooks => String::new(),
        _ => header("webhook-signature")?,
    };
    if webhook_signature::sign(&secret(&tenant), &id, at, &body).as_deref() != Ok(signature.as_str()) {
        return Err(format!("the webhook {id} is not signed with its endpoint's secret"));
    }
    let said: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    if said["id"] != id.as_str() {
        return Err(format!("the webhook {id} says that it is {}", said["id"]));
    }
    let mut received = world.webhooks.borrow_mut();
    let (first, times) = received.0.entry((tenant, id.clone())).or_insert_with(|| (body.clone(), 0));
    if *first != body {
        return Err(format!("the webhook {id} says something else when it comes again"));
    }
    *times += 1;
    Ok(*times)
}

const DELIVERIES: &str = "
SELECT n.id, n.tenant_id, d.status, d.next_try_at
FROM notices n JOIN webhook_endpoints w ON w.tenant_id = n.tenant_id
LEFT JOIN deliveries d ON d.notice_id = n.id AND d.channel = 'webhook' AND d.target = w.id
WHERE n.planned_at IS NOT NULL";

/// P27: each notice whose recipients are known has come at least once, unless its next try is still ahead. (What pools
/// raise when everybody gives back in the end, the next run would see.)
pub fn all_arrived(world: &World) -> Result<(), String> {
    let rows = world.database.query(&Statement::new(DELIVERIES)).map_err(|error| error.to_string())?;
    let received = world.webhooks.borrow();
    for row in rows {
        let text = |column| row.optional_text(column).ok().flatten().unwrap_or_default().to_owned();
        let (id, tenant, status) = (text("id"), text("tenant_id"), text("status"));
        let came = received.0.contains_key(&(tenant, id.clone()));
        let ahead = row.integer("next_try_at").is_ok_and(|at| at > world.wall().as_millis());
        let is_well = match status.as_str() {
            "delivered" => came,
            "waiting" => ahead,
            _ => false,
        };
        if !is_well {
            return Err(format!("the webhook of the notice {id} is {status:?}, and came: {came}"));
        }
    }
    Ok(())
}
