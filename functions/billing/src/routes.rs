//! One module per noun, one file per verb.

pub mod budget {
    mod check;
    pub(super) mod hold;
    mod show;
    pub use check::check;
    pub use show::show;
}

pub mod holds {
    mod release;
    pub use release::release;
}

pub mod keys {
    mod create;
    mod revoke;
    mod rotate;
    mod update;
    pub use create::create;
    pub use revoke::revoke;
    pub use rotate::rotate;
    pub use update::update;
}

pub mod operations {
    mod order;
    pub use order::{adjust, refund, reset, top_up};
}

pub mod provider_bills {
    mod import;
    pub use import::{day_of, import};
}

pub mod reconciliation {
    mod show;
    pub use show::show;
}

pub mod tenants {
    mod budget;
    mod outstanding;
    mod update;
    pub use budget::budget;
    pub use update::update;
}

pub mod usage {
    mod export;
    mod list;
    mod log;
    mod summary;
    pub use export::export;
    pub use list::{list, request_id};
    pub use log::log;
    pub use summary::summary;
}

pub mod users {
    mod close;
    mod create;
    mod update;
    pub use close::close;
    pub use create::create;
    pub use update::update;
}

pub mod webhooks {
    mod create;
    mod delete;
    mod list;
    pub use create::create;
    pub use delete::delete;
    pub use list::list;

    use domain::threshold_message::ThresholdReached;
    use http_api::{Fields, Problem};
    use serde_json::{Value, json};
    use store::webhook_endpoints::Endpoint;

    /// What an endpoint may ask for.
    const EVENTS: [&str; 2] = ["*", ThresholdReached::TYPE];

    fn refuse_events(fields: &Fields, events: &[String]) -> Result<(), Problem> {
        if !events.is_empty() && events.iter().all(|event| EVENTS.contains(&event.as_str())) {
            return Ok(());
        }
        Err(fields.refuse("events", &format!("a list of `{}`", EVENTS.join("`, `"))))
    }

    /// An endpoint as it is shown.
    fn view(endpoint: &Endpoint) -> Value {
        let Endpoint { id, url, events, active, created_at } = endpoint;
        json!({
            "webhook_id": id, "url": url, "events": events, "active": active,
            "created_at": created_at.to_rfc3339(),
        })
    }
}
