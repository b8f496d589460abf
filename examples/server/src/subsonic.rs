//! OpenSubsonic's extension `sonicSimilarity`: `getSonicSimilarTracks` and `findSonicPath`, as JSON.
//!
//! Errors are answers with status 200 and a code, as that interface has them. Parameters of accounts (`u`, `t`, `s`, `p`)
//! are not looked at: this service has no accounts. Similarities are cosines, and 0 where a cosine is negative.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Parameters, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sleeve::similarity::{Duplicates, PathOptions, Query};

use crate::limits::MAX_COUNT;
use crate::state::{Opened, Shared, id};

/// Codes of errors, from the interface's list.
const MISSING_PARAMETER: u8 = 10;
const NOT_FOUND: u8 = 70;
const GENERIC: u8 = 0;

/// An error: its code and message.
type Refused = (u8, String);

/// What `getSonicSimilarTracks` is asked.
#[derive(Deserialize)]
pub struct Similar {
    id: Option<String>,
    count: Option<usize>,
}

/// What `findSonicPath` is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    start_song_id: Option<String>,
    end_song_id: Option<String>,
    count: Option<usize>,
}

/// `getOpenSubsonicExtensions`
pub async fn extensions() -> Json<Value> {
    let extensions = json!([{ "name": "sonicSimilarity", "versions": [1] }]);
    response(Ok(Map::from_iter([("openSubsonicExtensions".to_owned(), extensions)])))
}

/// `getSonicSimilarTracks`: tracks that sound like one; 10 by default.
pub async fn similar(
    State(shared): State<Shared>,
    asked: Result<Parameters<Similar>, QueryRejection>,
) -> Json<Value> {
    let work = move |opened: &Opened| {
        let Parameters(asked) = asked.map_err(|rejection| (GENERIC, rejection.body_text()))?;
        let seed = track(opened, "id", asked.id.as_deref())?;
        let query = Query::new().track(seed).count(asked.count.unwrap_or(10).min(MAX_COUNT));
        let query = query.duplicates(Duplicates::LeaveOut).threads(1);
        let found = opened.library.find(&query).map_err(|error| (GENERIC, error.to_string()))?;
        Ok(found.iter().map(|found| entry(opened, found.track, found.cosine)).collect())
    };
    matches(shared.search(work).await)
}

/// `findSonicPath`: tracks from one to another, both included; at most 25 by default.
pub async fn path(
    State(shared): State<Shared>,
    asked: Result<Parameters<Path>, QueryRejection>,
) -> Json<Value> {
    let work = move |opened: &Opened| {
        let Parameters(asked) = asked.map_err(|rejection| (GENERIC, rejection.body_text()))?;
        let start = track(opened, "startSongId", asked.start_song_id.as_deref())?;
        let end = track(opened, "endSongId", asked.end_song_id.as_deref())?;
        let steps = asked.count.unwrap_or(25).min(MAX_COUNT).min(opened.library.len());
        let options = PathOptions { threads: 1, ..PathOptions::default() };
        let found = opened.library.path_between(start, end, steps, &options);
        let found = found.map_err(|error| (GENERIC, error.to_string()))?;
        // The similarity of an entry is that with the first.
        let similarity = |number: usize| opened.library.cosine(start, number);
        Ok(found.iter().map(|found| entry(opened, found.track, similarity(found.track))).collect())
    };
    matches(shared.search(work).await)
}

fn track(opened: &Opened, name: &str, id: Option<&str>) -> Result<usize, Refused> {
    let id = id.ok_or_else(|| (MISSING_PARAMETER, format!("required parameter {name} is missing")))?;
    opened.find(id).ok_or_else(|| (NOT_FOUND, format!("no song {id}")))
}

/// A track as a `sonicMatch`.
fn entry(opened: &Opened, number: usize, cosine: f32) -> Value {
    let track = opened.library.track(number);
    let path = track.path();
    let mut entry = json!({
        "id": id(&track),
        "isDir": false,
        "title": if track.title.is_empty() { track.label_text() } else { track.title.to_owned() },
        "album": track.album,
        "artist": track.main_artist(),
        "genre": track.genre,
        "size": track.bytes,
        "suffix": path.extension().unwrap_or_default().to_string_lossy(),
        "duration": track.seconds.round() as u64,
        "path": path.to_string_lossy(),
        "type": "music",
        "mediaType": "song",
    });
    if let Some(year) = track.year {
        entry["year"] = year.into();
    }
    json!({ "entry": entry, "similarity": cosine.clamp(0.0, 1.0) })
}

fn matches(found: Result<Vec<Value>, Refused>) -> Json<Value> {
    response(found.map(|found| Map::from_iter([("sonicMatch".to_owned(), found.into())])))
}

fn response(content: Result<Map<String, Value>, Refused>) -> Json<Value> {
    let mut response = json!({
        "status": if content.is_ok() { "ok" } else { "failed" },
        "version": "1.16.1",
        "type": "sleeve",
        "serverVersion": env!("CARGO_PKG_VERSION"),
        "openSubsonic": true,
    });
    match content {
        Ok(content) => {
            for (name, value) in content {
                response[name] = value;
            }
        }
        Err((code, message)) => response["error"] = json!({ "code": code, "message": message }),
    }
    Json(json!({ "subsonic-response": response }))
}
