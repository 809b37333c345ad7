//! The front door on Spin, where an HTTP request takes the place of the runtime's own schedules.
#![allow(unsafe_code, reason = "spin-sdk generates the export")]

use bytes::Bytes;
use http::{Request, Response};
use platform::Body;
use platform_spin::SpinPlatform;

platform_spin::front_door!(handle);

/// Alarms ring with the schedule, since no machine lives on to be woken by itself.
async fn handle(platform: &SpinPlatform, request: Request<Bytes>) -> Response<Body> {
    let is_run = request.uri().path() == crate::RUN_PATH;
    let response = crate::handle(platform, request).await;
    if is_run
        && response.status().is_success()
        && let Err(error) = platform.ring_alarms().await
    {
        log::error!("the alarms could not be read: {error}");
    }
    response
}
