//! One module per noun, one file per verb.

pub mod budget {
    mod check;
    mod show;
    pub use check::check;
    pub use show::show;
}

pub mod keys {
    mod create;
    mod revoke;
    pub use create::create;
    pub use revoke::revoke;
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
    mod update;
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
    mod create;
    mod limits;
    mod update;
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
