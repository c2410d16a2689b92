//! Who may come in. A page in a browser can make it send requests here, so the host it thinks it
//! talks to must be ours, and so must the page; whoever wants to change something must show the token,
//! which only the owner of the data folder can read. No header ever lets another origin read an answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use tower_http::{
    set_header::SetResponseHeaderLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};

use super::{pace::Pace, routes::refuse};
use crate::refusal::Refusal;

/// The longest request has a name and an address in it.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A body is one packet on the same machine; between two of its parts there is no pause.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// A request from its headers to its answer: the slowest answer, and its body.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// Requests with the token, a second and at once. A script that asks in a loop gets by on that, and the
/// node's loop, which takes a fraction of a millisecond for each, has most of its time left.
const OWNER: (u32, u32) = (100, 200);
/// Without it: a page that shows what goes on asks a few times a second, a few more when it opens. Any
/// page in a browser can send these, so they are counted apart: they must not keep the owner out.
const ANYBODY: (u32, u32) = (20, 40);

/// What a browser is told about every answer, unless the answer says otherwise itself: take it for
/// what it says it is, keep no copy, run and show nothing in it, tell nobody where it was.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

struct Guard {
    hosts: [String; 2],
    token: String,
    owner: Mutex<Pace>,
    anybody: Mutex<Pace>,
}

/// Puts a guard before these routes.
pub fn before(routes: Router, port: u16, token: &str) -> Router {
    let pace = |(per_second, at_once)| Mutex::new(Pace::new(per_second, at_once, Instant::now()));
    let guard = Arc::new(Guard {
        hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        token: token.into(),
        owner: pace(OWNER),
        anybody: pace(ANYBODY),
    });
    let routes = routes
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(RequestBodyTimeoutLayer::new(BODY_WITHIN))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_WITHIN,
        ))
        .layer(middleware::from_fn_with_state(guard, check));
    HEADERS.into_iter().fold(routes, |routes, (name, value)| {
        let value = HeaderValue::from_static(value);
        routes.layer(SetResponseHeaderLayer::if_not_present(name, value))
    })
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refuses(request.method(), request.headers()) {
        Some(refusal) => refuse(refusal).into_response(),
        None => next.run(request).await,
    }
}

impl Guard {
    /// Why this request is not let in, if it is not.
    fn refuses(&self, method: &Method, headers: &HeaderMap) -> Option<Refusal> {
        let shows_token = self.knows_token(headers);
        let only_looks = matches!(*method, Method::GET | Method::HEAD);
        if let Err(wait) = self.paces(shows_token) {
            let wait_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Some(Refusal::TooMany { wait_s });
        }
        if !self.knows_host(headers) {
            return Some(Refusal::WrongHost);
        }
        if !self.knows_page(headers) {
            return Some(Refusal::WrongOrigin);
        }
        (!only_looks && !shows_token).then_some(Refusal::Forbidden)
    }

    fn paces(&self, shows_token: bool) -> Result<(), Duration> {
        let pace = if shows_token {
            &self.owner
        } else {
            &self.anybody
        };
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.keep(Instant::now())
    }

    fn knows_host(&self, headers: &HeaderMap) -> bool {
        only(headers, header::HOST).is_some_and(|host| self.is_ours(host))
    }

    /// Whether the request comes from no page at all, from one of ours, or from somebody who follows
    /// a link. Old browsers say less, and so do programs.
    fn knows_page(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::ORIGIN) {
            return only(headers, header::ORIGIN)
                .and_then(|origin| origin.strip_prefix(b"http://"))
                .is_some_and(|origin| self.is_ours(origin));
        }
        let says = |name: &str, value: &[u8]| {
            let given = headers.get(name).map(HeaderValue::as_bytes);
            given == Some(value)
        };
        let from_here = ["same-origin", "none"]
            .into_iter()
            .any(|site| says("sec-fetch-site", site.as_bytes()));
        !headers.contains_key("sec-fetch-site") || from_here || says("sec-fetch-mode", b"navigate")
    }

    fn is_ours(&self, host: &[u8]) -> bool {
        let mut ours = self.hosts.iter();
        ours.any(|ours| host.eq_ignore_ascii_case(ours.as_bytes()))
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let given = only(headers, header::AUTHORIZATION);
        let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
        given.is_some_and(|given| given.ct_eq(self.token.as_bytes()).into())
    }
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut given = headers.get_all(name).iter();
    match (given.next(), given.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_is_refused_and_a_program_is_not() {
        check(&[], true);
        check(&[("origin", "http://127.0.0.1:7")], true);
        check(&[("origin", "http://LOCALHOST:7")], true);
        check(&[("origin", "http://evil.example")], false);
        check(&[("origin", "https://127.0.0.1:7")], false);
        check(&[("origin", "http://127.0.0.1:8")], false);
        check(&[("origin", "null")], false);
        check(&[("origin", "")], false);
        let twice = [
            ("origin", "http://127.0.0.1:7"),
            ("origin", "http://127.0.0.1:7"),
        ];
        check(&twice, false);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "none")], true);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "same-site")], false);
        let followed = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        check(&followed, true);
        let picture = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ];
        check(&picture, false);
    }

    #[track_caller]
    fn check(given: &[(&'static str, &'static str)], let_in: bool) {
        let guard = Guard {
            hosts: ["127.0.0.1:7".into(), "localhost:7".into()],
            token: "t".into(),
            owner: Mutex::new(Pace::new(1, 1, Instant::now())),
            anybody: Mutex::new(Pace::new(1, 1, Instant::now())),
        };
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost:7"));
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let refusal = guard.refuses(&Method::GET, &headers);
        let expected = (!let_in).then_some(Refusal::WrongOrigin);
        assert_eq!(refusal, expected, "{given:?}");
    }
}
