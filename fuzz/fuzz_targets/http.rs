//! Raw bytes on a connection of the loopback API: whatever they are, nothing is changed without the
//! token, nobody is asked for another host's or another page's sake, and every answer a browser may
//! see says how it is to be treated.

#![no_main]

use std::sync::{Arc, LazyLock, atomic::AtomicBool};

use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Runtime},
    sync::mpsc,
};

// The program is no library; these files need nothing else of it.
#[allow(dead_code)]
#[path = "../../crates/rejoin-node/src/api/mod.rs"]
mod api;
#[allow(dead_code)]
#[path = "../../crates/rejoin-node/src/question.rs"]
mod question;
#[allow(dead_code)]
#[path = "../../crates/rejoin-node/src/refusal.rs"]
mod refusal;

/// What the node's loop would say.
mod answer {
    #[derive(Debug, serde::Serialize)]
    pub struct Answer {}
}

const PORT: u16 = 7;
const TOKEN: &str = "t0ken";
/// As much as one packet of a browser, and more than any limit of ours.
const BYTES_MAX: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    let (answer, asked) = RUNTIME.block_on(talk(bytes));
    let lower = bytes.to_ascii_lowercase();
    let ours = has(&lower, b"127.0.0.1:7") || has(&lower, b"localhost:7");
    let token = has(bytes, TOKEN.as_bytes());
    for question in &asked {
        assert!(ours, "for another host: {question:?}");
        assert!(
            token || !question.is_change(),
            "without the token: {question:?}"
        );
    }
    let answer = answer.to_ascii_lowercase();
    assert!(answer.is_empty() || answer.starts_with(b"http/1."));
    assert!(!has(&answer, b"access-control-"));
    // Those of hyper itself have no body that could be mistaken for anything.
    let with_body = count(&answer, b"\r\ncontent-type: ");
    let safe = count(&answer, b"\r\nx-content-type-options: nosniff\r\n");
    assert!(with_body <= safe, "{}", String::from_utf8_lossy(&answer));
});

/// Says all of it at once, and hears everything out; with what the node's loop was asked.
async fn talk(bytes: &[u8]) -> (Vec<u8>, Vec<question::Question>) {
    let (asks, mut inbox) = mpsc::channel::<api::Ask>(64);
    let app = api::app(asks, PORT, TOKEN);
    let (mut caller, ours) = tokio::io::duplex(BYTES_MAX);
    let served = api::callers::serve(TokioIo::new(ours), app, Arc::new(AtomicBool::new(false)));
    let calling = async move {
        let _ = caller.write_all(bytes).await; // it may have been cut off
        let _ = caller.shutdown().await;
        let mut answer = Vec::new();
        let _ = caller.read_to_end(&mut answer).await;
        answer
    };
    let answering = async {
        let mut asked = Vec::new();
        while let Some(ask) = inbox.recv().await {
            match ask {
                api::Ask::Question { question, reply } => {
                    asked.push(question);
                    let _ = reply.send(Ok(answer::Answer {}));
                }
                api::Ask::Stream { filter, reply, .. } => {
                    let page = question::Page::default();
                    asked.push(question::Question::Peers(question::Query { filter, page }));
                    let (line, lines) = mpsc::channel(1);
                    let _ = line.try_send("{}\n".into());
                    let _ = reply.send(Ok(lines));
                }
            }
        }
        asked
    };
    let (_, answer, asked) = tokio::join!(served, calling, answering);
    (answer, asked)
}

/// Its clock leaps to the next timer whenever there is nothing to do.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread")
});

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    count(bytes, needle) > 0
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes
        .windows(needle.len())
        .filter(|part| *part == needle)
        .count()
}
