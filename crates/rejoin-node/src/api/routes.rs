//! What there is to ask, path by path; docs/json.md describes it. Each request becomes one question
//! to the node's loop.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{
        Path, Query as UrlQuery, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use libp2p::futures::{StreamExt, stream};
use rejoin::{PeerKey, Purpose, query::Filter};
use serde::Deserialize;
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use super::Ask;
use crate::{
    question::{Hearsay, Page, Query, Question, Target},
    refusal::{Refusal, Refused},
};

/// Longer than any answer takes; a connection that is waited for takes eight seconds at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

type Asks = mpsc::Sender<Ask>;
type Read<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
struct To {
    to: String,
}

#[derive(Deserialize)]
struct Told {
    peers: Vec<Hearsay>,
}

#[derive(Deserialize)]
struct Who {
    peer: String,
    #[serde(default)]
    undo: bool,
    /// In seconds.
    #[serde(default)]
    span_s: Option<u64>,
}

#[derive(Deserialize)]
struct WhatFor {
    #[serde(rename = "for")]
    purpose: Option<Purpose>,
}

/// Where a stream begins.
#[derive(Deserialize)]
struct Begin {
    /// Behind this peer, named in full.
    after: Option<PeerKey>,
}

#[derive(Default, Deserialize)]
struct PruneHow {
    #[serde(default)]
    dry_run: bool,
}

/// Every route.
pub fn all(asks: Asks) -> Router {
    let v1 = Router::new()
        .route("/status", get(status))
        .route("/peers", get(peers))
        .route("/peers/stream", get(stream))
        .route("/peers/{peer}", get(peer))
        .route("/peers/{peer}/why", get(why))
        .route("/timeline", get(timeline))
        .route("/doctor", get(doctor))
        .route("/prune", get(prune_dry_run).post(prune))
        .route("/import", post(import))
        .route("/connect", post(connect))
        .route("/forget", post(forget))
        .route("/pin", post(pin))
        .route("/block", post(block));
    Router::new()
        .nest("/api/v1", v1)
        .fallback(|| async { refuse(Refusal::NoSuchPage) })
        .with_state(asks)
}

async fn status(State(asks): State<Asks>) -> Response {
    put(asks, Ok(Question::Status)).await
}

async fn peers(
    State(asks): State<Asks>,
    filter: Result<UrlQuery<Filter>, QueryRejection>,
    page: Result<UrlQuery<Page>, QueryRejection>,
) -> Response {
    let query = filter.and_then(|UrlQuery(filter)| {
        let UrlQuery(page) = page?;
        Ok(Question::Peers(Query { filter, page }))
    });
    put(asks, query.map_err(|error| unreadable(error.body_text()))).await
}

/// Everybody who fits, a line each.
async fn stream(
    State(asks): State<Asks>,
    filter: Result<UrlQuery<Filter>, QueryRejection>,
    begin: Result<UrlQuery<Begin>, QueryRejection>,
) -> Response {
    let begin = filter.and_then(|UrlQuery(filter)| Ok((filter, begin?.0.after)));
    let lines = match begin.map_err(|error| unreadable(error.body_text())) {
        Ok((filter, after)) => {
            let stream = |reply| Ask::Stream {
                filter,
                after,
                reply,
            };
            ask(asks, stream).await
        }
        Err(refusal) => Err(refusal),
    };
    match lines {
        Ok(mut lines) => {
            let lines = stream::poll_fn(move |cx| lines.poll_recv(cx));
            let lines = Body::from_stream(lines.map(Ok::<_, Infallible>));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
        }
        Err(refusal) => refuse(refusal).into_response(),
    }
}

async fn peer(State(asks): State<Asks>, Path(peer): Path<String>) -> Response {
    put(asks, Ok(Question::Peer(peer))).await
}

async fn why(
    State(asks): State<Asks>,
    Path(peer): Path<String>,
    what: Result<UrlQuery<WhatFor>, QueryRejection>,
) -> Response {
    let what = what.map_err(|error| unreadable(error.body_text()));
    let question = what.map(|UrlQuery(WhatFor { purpose })| Question::Why { peer, purpose });
    put(asks, question).await
}

async fn timeline(State(asks): State<Asks>) -> Response {
    put(asks, Ok(Question::Timeline)).await
}

async fn doctor(State(asks): State<Asks>) -> Response {
    put(asks, Ok(Question::Doctor)).await
}

async fn prune_dry_run(State(asks): State<Asks>) -> Response {
    put(asks, Ok(Question::Prune { dry_run: true })).await
}

async fn prune(State(asks): State<Asks>, how: Read<PruneHow>) -> Response {
    let question = read(how).map(|PruneHow { dry_run }| Question::Prune { dry_run });
    put(asks, question).await
}

async fn import(State(asks): State<Asks>, told: Read<Told>) -> Response {
    let question = read(told).map(|Told { peers }| Question::Import(peers));
    put(asks, question).await
}

async fn connect(State(asks): State<Asks>, to: Read<To>) -> Response {
    let question = read(to).map(|To { to }| Question::Connect(Target::read(&to)));
    put(asks, question).await
}

async fn forget(State(asks): State<Asks>, who: Read<Who>) -> Response {
    let question = read(who).map(|who| Question::Forget(who.peer));
    put(asks, question).await
}

async fn pin(State(asks): State<Asks>, who: Read<Who>) -> Response {
    let question = read(who).map(|Who { peer, undo, .. }| Question::Pin { peer, undo });
    put(asks, question).await
}

async fn block(State(asks): State<Asks>, who: Read<Who>) -> Response {
    let question = read(who).and_then(|who| match who {
        Who {
            undo: true, peer, ..
        } => Ok(Question::Unblock(peer)),
        Who {
            peer,
            span_s: Some(span_s),
            ..
        } => Ok(Question::Block {
            peer,
            span: Duration::from_secs(span_s),
        }),
        Who { .. } => Err(unreadable(
            "say for how long with span_s, in seconds".into(),
        )),
    });
    put(asks, question).await
}

/// Has a question answered by the node's loop.
async fn put(asks: Asks, question: Result<Question, Refusal>) -> Response {
    let answer = match question {
        Ok(question) => ask(asks, |reply| Ask::Question { question, reply }).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refuse(refusal).into_response(),
    }
}

async fn ask<T>(
    asks: Asks,
    ask: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Ask,
) -> Result<T, Refusal> {
    let (reply, answer) = oneshot::channel();
    asks.try_send(ask(reply)).map_err(|_| Refusal::Busy)?;
    match time::timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
    }
}

fn read<T>(body: Read<T>) -> Result<T, Refusal> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(error) => Err(unreadable(error.body_text())),
    }
}

fn unreadable(why: String) -> Refusal {
    Refusal::Unreadable { why }
}

/// A refusal as a response.
pub fn refuse(refusal: Refusal) -> impl IntoResponse + use<> {
    let status = match &refusal {
        Refusal::NoSuchPeer { .. } | Refusal::NoSuchPage => StatusCode::NOT_FOUND,
        Refusal::SeveralPeers { .. } => StatusCode::CONFLICT,
        Refusal::CannotConnect { .. } => StatusCode::BAD_GATEWAY,
        Refusal::Unreadable { .. } => StatusCode::BAD_REQUEST,
        Refusal::Busy | Refusal::NotRunning | Refusal::Store { .. } | Refusal::TooLong => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Forbidden => StatusCode::UNAUTHORIZED,
        Refusal::WrongHost | Refusal::WrongOrigin => StatusCode::FORBIDDEN,
        Refusal::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
    };
    let wait = match &refusal {
        Refusal::TooMany { wait_s } => Some([(header::RETRY_AFTER, wait_s.to_string())]),
        _ => None,
    };
    (status, wait, Json(Refused::from(refusal)))
}
