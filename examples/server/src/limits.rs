//! Limits of size, time and number, so that no client can take all of the machine.

use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::http::StatusCode;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// Requests that are answered at a time; more are refused with 503.
pub const MAX_REQUESTS: usize = 256;
/// The most tracks of an answer.
pub const MAX_COUNT: usize = 500;
/// The longest that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// No request has a body.
const MAX_BODY: usize = 1024;

/// The routes behind the limits.
pub fn limited(routes: Router) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(|_| async {
                (StatusCode::SERVICE_UNAVAILABLE, "too many requests\n")
            }))
            .layer(LoadShedLayer::new())
            .layer(GlobalConcurrencyLimitLayer::new(MAX_REQUESTS))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
            .layer(RequestBodyLimitLayer::new(MAX_BODY)),
    )
}
