//! Asks a running node over its loopback API.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use ureq::{
    Agent, Body,
    http::{Response, StatusCode},
};

use crate::{
    failure::Failure,
    note::Note,
    question::{Question, Target},
    refusal::{Refusal, Refused},
};

/// Longer than the node takes for its slowest answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Whoever only looks is answered within milliseconds; ten thousand peers take a second.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// On the same machine this takes a fraction of a millisecond.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Ten thousand peers, eight addresses each.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A running node.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    note: Note,
}

impl Client {
    /// The node that left this note, if it still runs. Another program may have its port by now, so
    /// it has to answer with the name of that start.
    ///
    /// # Errors
    /// If somebody is there who does not answer in time, or has no time for us.
    pub fn reach(note: Note) -> Result<Option<Self>, Failure> {
        let agent = Agent::config_builder()
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build();
        let client = Self {
            agent: agent.into(),
            note,
        };
        match client.ask(&Question::Status) {
            Ok(status) => {
                let same = status["instance"].as_str() == Some(&client.note.instance);
                Ok(same.then_some(client))
            }
            Err(Failure::Refused(why @ (Refusal::Busy | Refusal::TooMany { .. }))) => {
                Err(why.into())
            }
            Err(Failure::TooSlow) => Err(Failure::TooSlow),
            Err(_) => Ok(None), // nobody is there, or somebody else
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// If the node refuses, or does not answer.
    pub fn ask(&self, question: &Question) -> Result<Value, Failure> {
        match question {
            Question::Status => self.get("status", &[]),
            Question::Peers(query) => {
                let mut given = fields(&query.filter);
                given.extend(fields(&query.page));
                // It may have to look into the store.
                self.get_within(ANSWER_WITHIN, "peers", &given)
            }
            Question::Peer(peer) => self.get(&format!("peers/{}", quoted(peer)), &[]),
            Question::Why { peer, purpose } => {
                let what = purpose.map(|purpose| ("for".into(), purpose.to_string()));
                self.get(&format!("peers/{}/why", quoted(peer)), what.as_slice())
            }
            Question::Timeline => self.get("timeline", &[]),
            Question::Doctor => self.get("doctor", &[]),
            Question::Connect(target) => {
                let to = match target {
                    Target::Known(name) => name.clone(),
                    Target::At {
                        peer: Some(peer),
                        address,
                    } => format!("{address}/p2p/{peer}"),
                    Target::At { address, .. } => address.to_string(),
                };
                self.post("connect", json!({ "to": to }))
            }
            Question::Forget(peer) => self.post("forget", json!({ "peer": peer })),
            Question::Pin { peer, undo } => self.post("pin", json!({ "peer": peer, "undo": undo })),
            Question::Block { peer, span } => {
                let span_s = span.as_secs() + u64::from(span.subsec_nanos() > 0);
                self.post("block", json!({ "peer": peer, "span_s": span_s }))
            }
            Question::Unblock(peer) => self.post("block", json!({ "peer": peer, "undo": true })),
            Question::Import(peers) => self.post("import", json!({ "peers": peers })),
            Question::Prune { dry_run: true } => self.get("prune", &[]),
            Question::Prune { dry_run: false } => self.post("prune", json!({})),
        }
    }

    fn get(&self, path: &str, query: &[(String, String)]) -> Result<Value, Failure> {
        self.get_within(LOOK_WITHIN, path, query)
    }

    fn get_within(
        &self,
        span: Duration,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Value, Failure> {
        let request = self.agent.get(self.url(path)).config();
        let mut request = request.timeout_global(Some(span)).build();
        for (name, value) in query {
            request = request.query(name, value);
        }
        // Not needed to look, but whoever shows it does not wait behind those who cannot.
        answer(request.header("Authorization", self.token()).call())
    }

    fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let request = self.agent.post(self.url(path));
        let request = request.header("Authorization", self.token());
        answer(request.send_json(body))
    }

    fn token(&self) -> String {
        format!("Bearer {}", self.note.token.reveal())
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v1/{path}", self.note.port)
    }
}

fn answer(response: Result<Response<Body>, ureq::Error>) -> Result<Value, Failure> {
    let silent = |error| match error {
        ureq::Error::Timeout(_) => Failure::TooSlow,
        error => Failure::NoAnswer(error.to_string()),
    };
    let mut response = response.map_err(silent)?;
    let reader = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let body: Value = reader.read_json().map_err(silent)?;
    if response.status() == StatusCode::OK {
        return Ok(body);
    }
    match serde_json::from_value::<Refused>(body) {
        Ok(refused) => Err(refused.error.into()),
        Err(_) => Err(Failure::NoAnswer(format!("status {}", response.status()))),
    }
}

/// The fields of something as they stand in a query.
fn fields(of: &impl Serialize) -> Vec<(String, String)> {
    let fields = serde_json::to_value(of).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    let given = fields.filter_map(|(name, value)| Some((name.clone(), plain(value)?)));
    given.collect()
}

/// A value as it stands in a query; `None` for one that is not given.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A name as it may stand in a path.
fn quoted(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Token;

    #[test]
    fn any_name_can_stand_in_a_path() {
        assert_eq!(quoted("12D3Koo"), "12D3Koo");
        assert_eq!(quoted("…a/b?c"), "%E2%80%A6a%2Fb%3Fc");
    }

    #[test]
    fn a_note_of_a_dead_node_leads_nowhere() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let note = Note {
            pid: 1,
            port,
            token: Token::draw().unwrap(),
            instance: "i".into(),
        };
        assert!(Client::reach(note).unwrap().is_none());
    }
}
