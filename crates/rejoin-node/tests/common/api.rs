//! The loopback API of a node that runs, asked over plain sockets.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LONG, Node, Start, home};

/// A running node, and how it is asked.
pub struct Api {
    pub port: u16,
    token: String,
    pub node: Node,
    home: TempDir,
}

impl Api {
    pub fn of_a_node() -> Self {
        let home = home();
        let (node, _) = Start::at(home.path().join("alice")).up();
        Self::of(home, node)
    }

    /// Gives the node back, and the folder it lives in.
    pub fn end(self) -> (Node, TempDir) {
        (self.node, self.home)
    }

    pub fn of(home: TempDir, node: Node) -> Self {
        let note = fs::read(node.data.join("node.json")).unwrap();
        let note: Value = serde_json::from_slice(&note).unwrap();
        Self {
            port: u16::try_from(note["port"].as_u64().unwrap()).unwrap(),
            token: note["token"].as_str().unwrap().into(),
            node,
            home,
        }
    }

    pub fn token(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        let closing = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(closing.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A refusal may come before all was said, and cut it off.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    pub fn ask(&self, request: &str) -> (u16, Value) {
        let answer = self.raw(request);
        let status = answer.split(' ').nth(1).expect("a status").parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.look(path, "")
    }

    /// As a caller with further headers.
    pub fn look(&self, path: &str, headers: &str) -> (u16, Value) {
        let port = self.port;
        self.ask(&format!(
            "GET /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"
        ))
    }

    pub fn post(&self, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let (port, body) = (self.port, body.to_string());
        self.ask(&format!(
            "POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    #[track_caller]
    pub fn refused(&self, (status, body): &(u16, Value), expected: u16, code: &str) {
        assert_eq!(
            (*status, &body["error"]["code"]),
            (expected, &json!(code)),
            "{body}"
        );
        assert!(!body["message"].as_str().unwrap().is_empty());
    }
}
