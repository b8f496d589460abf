//! What sounds alike, over HTTP: a small service over one library file.
//!
//! It answers as OpenSubsonic's extension `sonicSimilarity` does ([`subsonic`]), and in plainer JSON ([`plain`]). The file
//! may be written to and replaced at any time ([`state`]). There are no accounts, no passwords and no encryption: bind it
//! to loopback, or put a server with those in front of it.

pub mod limits;
pub mod plain;
pub mod state;
pub mod subsonic;

use axum::Router;
use axum::routing::get;

use state::Shared;

/// All routes.
pub fn routes(shared: Shared) -> Router {
    let subsonic = Router::new()
        .route("/getOpenSubsonicExtensions", get(subsonic::extensions))
        .route("/getOpenSubsonicExtensions.view", get(subsonic::extensions))
        .route("/getSonicSimilarTracks", get(subsonic::similar))
        .route("/getSonicSimilarTracks.view", get(subsonic::similar))
        .route("/findSonicPath", get(subsonic::path))
        .route("/findSonicPath.view", get(subsonic::path));
    let routes = Router::new()
        .route("/library", get(plain::library))
        .route("/track", get(plain::track))
        .route("/similar", get(plain::similar))
        .route("/playlist", get(plain::playlist))
        .nest("/rest", subsonic)
        .with_state(shared);
    limits::limited(routes)
}
