//! Who may come in. A page in a browser can make it send requests here, so the host it thinks it
//! talks to must be ours; whoever wants to change something must show the token, which only the
//! owner of the data folder can read. No header ever lets another origin read an answer.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use super::routes::refuse;
use crate::refusal::Refusal;

/// The longest request has a name and an address in it.
const BODY_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
struct Guard {
    hosts: [String; 2],
    token: String,
}

/// Puts a guard before these routes.
pub fn before(routes: Router, port: u16, token: &str) -> Router {
    let guard = Arc::new(Guard {
        hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        token: token.into(),
    });
    routes
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !guard.knows_host(headers) {
        return refuse(Refusal::WrongHost).into_response();
    }
    let only_looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_looks && !guard.knows_token(headers) {
        return refuse(Refusal::Forbidden).into_response();
    }
    next.run(request).await
}

impl Guard {
    fn knows_host(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            return false;
        };
        self.hosts
            .iter()
            .any(|ours| host.as_bytes().eq_ignore_ascii_case(ours.as_bytes()))
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| given.ct_eq(self.token.as_bytes()).into())
    }
}
