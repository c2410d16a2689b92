//! What a running node answers over HTTP, for the command line and for programs of the same user. Who
//! is connected stands in `callers`, who may come in in `guard`, how often in `pace`, what there is to
//! ask in `routes`; the answers come from the node's own loop. Which port it is on, and who is told,
//! is the business of `door`.

pub mod callers;
mod guard;
mod pace;
mod routes;

use axum::Router;
use rejoin::{PeerKey, query::Filter};
use tokio::sync::{mpsc, oneshot};

use crate::{answer::Answer, question::Question, refusal::Refusal};

/// What is on its way to the node's loop.
#[derive(Debug)]
pub enum Ask {
    /// A question.
    Question { question: Question, reply: Reply },
    /// The wish for everybody who fits, as lines.
    Stream {
        filter: Filter,
        /// Behind this one.
        after: Option<PeerKey>,
        reply: oneshot::Sender<Result<Lines, Refusal>>,
    },
}

/// Where an answer goes. Nobody may be there any more.
pub type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// Lines of JSON, some at a time.
pub type Lines = mpsc::Receiver<String>;

/// All there is to ask, behind the guard. A function, so a test can call it without a socket.
pub fn app(asks: mpsc::Sender<Ask>, port: u16, token: &str) -> Router {
    guard::before(routes::all(asks), port, token)
}
