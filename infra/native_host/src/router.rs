//! Which function answers which path: the routes of `infra/spin/spin.toml`.

use crate::native_platform::NativePlatform;
use bytes::Bytes;
use http::{Request, Response, Uri};
use local_host::routes::longest;
use platform::Body;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Proxy,
    Billing,
    AdminApi,
    CronReset,
    StripeWebhook,
}

const ROUTES: [(&str, Function); 6] = [
    ("/...", Function::Proxy),
    ("/api/...", Function::Billing),
    ("/billing/health", Function::Billing),
    ("/admin/...", Function::AdminApi),
    ("/webhooks/...", Function::StripeWebhook),
    ("/cron/...", Function::CronReset),
];

/// On the shared listener every function's health has its own path, such as `/billing/health`.
const NAMED_HEALTH: [&str; 4] = ["/billing/health", "/admin/health", "/webhooks/health", "/cron/health"];

pub fn function_of(path: &str) -> Function {
    longest(ROUTES, path).unwrap_or(Function::Proxy)
}

/// As the function knows the path.
pub fn uri_in_function(uri: Uri) -> Uri {
    if NAMED_HEALTH.contains(&uri.path()) { Uri::from_static("/health") } else { uri }
}

impl Function {
    pub async fn handle(self, platform: &NativePlatform, request: Request<Bytes>) -> Response<Body> {
        match self {
            Self::Proxy => proxy::handle(platform, request).await,
            Self::Billing => billing::handle(platform, request).await,
            Self::AdminApi => admin_api::handle(platform, request).await,
            Self::CronReset => cron_reset::handle(platform, request).await,
            Self::StripeWebhook => stripe_webhook::handle(platform, request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const MANIFEST: &str = include_str!("../../spin/spin.toml");

    const fn component(function: Function) -> &'static str {
        match function {
            Function::Proxy => "proxy",
            Function::Billing => "billing",
            Function::AdminApi => "admin-api",
            Function::CronReset => "cron-reset",
            Function::StripeWebhook => "stripe-webhook",
        }
    }

    #[test]
    fn p28_the_routes_are_those_of_the_spin_manifest() {
        let manifest: toml::Table = MANIFEST.parse().unwrap();
        let triggers = manifest["trigger"]["http"].as_array().unwrap();
        let text = |trigger: &toml::Value, field: &str| trigger[field].as_str().unwrap().to_owned();
        let declared: BTreeSet<_> =
            triggers.iter().map(|trigger| (text(trigger, "route"), text(trigger, "component"))).collect();
        let ours: BTreeSet<_> =
            ROUTES.iter().map(|(route, function)| ((*route).into(), component(*function).into())).collect();
        assert_eq!(ours, declared);
    }

    #[test]
    fn a_named_health_is_its_functions_own() {
        for path in NAMED_HEALTH {
            assert_ne!(function_of(path), Function::Proxy, "{path}");
            assert_eq!(uri_in_function(path.parse().unwrap()), "/health");
        }
        assert_eq!(function_of("/health"), Function::Proxy);
        assert_eq!(uri_in_function(Uri::from_static("/api/users?limit=1")), "/api/users?limit=1");
    }
}
