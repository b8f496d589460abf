//! Plain JSON: `/library`, `/track`, `/similar` and `/playlist`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sleeve::similarity::{Duplicates, Filter, Match, PlaylistOptions, Query};

use crate::limits::MAX_COUNT;
use crate::state::{Opened, Shared, id};

/// A track in an answer.
#[derive(Serialize)]
struct Track {
    id: String,
    path: String,
    title: String,
    artist: String,
    album: String,
    label: String,
    genre: String,
    year: Option<i32>,
    seconds: f64,
    /// The cosine with what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f32>,
}

#[derive(Serialize)]
struct Tracks {
    generation: u64,
    tracks: Vec<Track>,
}

#[derive(Serialize)]
struct About {
    generation: u64,
    tracks: usize,
    model: String,
    values: usize,
    activations: Vec<String>,
}

/// An error as JSON: `{"error": "..."}`.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Refused(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<sleeve::Error> for Refused {
    fn from(error: sleeve::Error) -> Self {
        Refused(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// What `/track` is asked.
#[derive(Deserialize)]
pub struct Which {
    id: Option<String>,
    /// Below the library's folder, or absolute.
    path: Option<String>,
}

/// What `/similar` and `/playlist` are asked.
#[derive(Deserialize)]
pub struct Asked {
    id: Option<String>,
    path: Option<String>,
    #[serde(default = "ten")]
    count: usize,
    /// At most so many tracks of an artist; 0 for no limit.
    #[serde(default)]
    max_per_artist: usize,
    from_year: Option<i32>,
    to_year: Option<i32>,
    folder: Option<String>,
    /// Whether copies of the same recording are kept.
    #[serde(default)]
    duplicates: bool,
}

fn ten() -> usize {
    10
}

/// `/library`: how many tracks, and what made the vectors.
pub async fn library(State(shared): State<Shared>) -> Response {
    let now = shared.now();
    let origin = now.library.origin();
    Json(About {
        generation: now.generation,
        tracks: now.library.len(),
        model: origin.model.clone(),
        values: origin.dim,
        activations: origin.classes.clone(),
    })
    .into_response()
}

/// `/track?path=...` or `?id=...`: one track.
pub async fn track(
    State(shared): State<Shared>,
    which: Result<Parameters<Which>, QueryRejection>,
) -> Response {
    let answer = || {
        let Parameters(which) = which?;
        let now = shared.now();
        let track = seed(&now, which.id.as_deref(), which.path.as_deref())?;
        Ok::<_, Refused>(Json(described(&now, track, None)))
    };
    answer().into_response()
}

/// `/similar?id=...&count=...`: the tracks that are most similar to one.
pub async fn similar(
    State(shared): State<Shared>,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Response {
    answer(shared, asked, |opened, query| opened.library.find(query)).await
}

/// `/playlist?id=...&count=...`: tracks that go on from one to the next.
pub async fn playlist(
    State(shared): State<Shared>,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Response {
    answer(shared, asked, |opened, query| opened.library.playlist(query, &PlaylistOptions::default())).await
}

async fn answer(
    shared: Shared,
    asked: Result<Parameters<Asked>, QueryRejection>,
    find: impl Fn(&Opened, &Query) -> sleeve::Result<Vec<Match>> + Send + 'static,
) -> Response {
    let asked = match asked {
        Ok(Parameters(asked)) => asked,
        Err(rejection) => return Refused::from(rejection).into_response(),
    };
    let work = move |opened: &Opened| {
        let seed = seed(opened, asked.id.as_deref(), asked.path.as_deref())?;
        let found = find(opened, &query(&asked, seed))?;
        let tracks = found.iter().map(|found| described(opened, found.track, Some(found.cosine))).collect();
        Ok::<_, Refused>(Json(Tracks { generation: opened.generation, tracks }))
    };
    shared.search(work).await.into_response()
}

fn seed(opened: &Opened, id: Option<&str>, path: Option<&str>) -> Result<usize, Refused> {
    let found = match (id, path) {
        (Some(id), None) => opened.find(id),
        (None, Some(path)) => opened.library.find_path(path),
        _ => return Err(Refused(StatusCode::BAD_REQUEST, "give either id or path".to_owned())),
    };
    found.ok_or_else(|| Refused(StatusCode::NOT_FOUND, "no such track in the library".to_owned()))
}

fn query(asked: &Asked, seed: usize) -> Query {
    let mut filter = Filter::new();
    if asked.from_year.is_some() || asked.to_year.is_some() {
        filter = filter.years(asked.from_year.unwrap_or(i32::MIN)..=asked.to_year.unwrap_or(i32::MAX));
    }
    if let Some(folder) = &asked.folder {
        filter = filter.folder(folder);
    }
    let duplicates = if asked.duplicates { Duplicates::Keep } else { Duplicates::LeaveOut };
    let query = Query::new().track(seed).count(asked.count.min(MAX_COUNT)).filter(filter);
    query.max_per_artist(asked.max_per_artist).duplicates(duplicates).threads(1)
}

fn described(opened: &Opened, number: usize, cosine: Option<f32>) -> Track {
    let track = opened.library.track(number);
    Track {
        id: id(&track),
        path: track.path().to_string_lossy().into_owned(),
        title: track.title.to_owned(),
        artist: track.main_artist().to_owned(),
        album: track.album.to_owned(),
        label: track.label.to_owned(),
        genre: track.genre.to_owned(),
        year: track.year,
        seconds: track.seconds,
        cosine,
    }
}
