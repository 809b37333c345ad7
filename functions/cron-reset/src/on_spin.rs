//! The front door on Spin, where an HTTP request takes the place of the runtime's own schedules.
#![allow(unsafe_code, reason = "spin-sdk generates the export")]

use bytes::Bytes;
use http::{Request, Response};
use platform::Body;
use platform_spin::SpinPlatform;

platform_spin::front_door!(handle);

/// Alarms ring with the schedule, since no machine lives on to be woken by itself.
async fn handle(platform: &SpinPlatform, request: Request<Bytes>) -> Response<Body> {
    crate::handle_with(platform, request, async || {
        let rung = platform.ring_alarms().await?;
        Ok(crate::Alarms { rung: rung.machines, failures: rung.failures, more: rung.more })
    })
    .await
}
