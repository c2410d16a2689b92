//! The way into a running node: HTTP on 127.0.0.1, for the command line and for programs of the same
//! user. Who may come in is decided in `guard`, what there is to ask in `routes`; the answers come
//! from the node's own loop.

mod guard;
mod routes;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time,
};

use crate::{
    connects::Reply,
    failure::Failure,
    folder::Folder,
    note::{Note, random_hex},
    question::Question,
};

/// Connections at once; a person with a few terminals needs one or two.
const CONNECTIONS_MAX: usize = 32;
/// A caller on the same machine sends a request within milliseconds.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// No connection is kept for longer, idle or not: twice what the slowest answer takes.
const CONNECTION_MAX: Duration = Duration::from_secs(30);
/// After an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A question on its way to the node's loop.
#[derive(Debug)]
pub struct Ask {
    pub question: Question,
    pub reply: Reply,
}

/// Where a node can be asked.
#[derive(Clone, Debug)]
pub struct Door {
    pub instance: String,
    port: u16,
}

/// Closes the door when dropped.
#[derive(Debug)]
pub struct Open {
    folder: Folder,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
        Note::remove(&self.folder);
    }
}

impl Door {
    /// Lets callers in, and leaves a note where.
    ///
    /// # Errors
    /// If there is no free port, or the note cannot be written.
    pub async fn open(folder: &Folder, asks: mpsc::Sender<Ask>) -> Result<(Self, Open), Failure> {
        let listening = |error| Failure::system("listen on 127.0.0.1")(error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(listening)?;
        let port = listener.local_addr().map_err(listening)?.port();
        let note = Note {
            pid: std::process::id(),
            port,
            token: random_hex::<32>()?,
            instance: random_hex::<8>()?,
        };
        note.write(folder)?;
        let app = app(asks, port, &note.token);
        let open = Open {
            folder: folder.clone(),
            task: tokio::spawn(let_in(listener, app)),
        };
        let instance = note.instance;
        Ok((Self { instance, port }, open))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// All there is to ask, behind the guard. A function, so a test can call it without a socket.
fn app(asks: mpsc::Sender<Ask>, port: u16, token: &str) -> Router {
    guard::before(routes::all(asks), port, token)
}

async fn let_in(listener: TcpListener, app: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return; // never closed
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    // Its end, good or bad, is the caller's business.
                    let _ = time::timeout(CONNECTION_MAX, serve(stream, app)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a caller on 127.0.0.1 was not let in");
                time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, app: Router) -> Result<(), hyper::Error> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .await
}
