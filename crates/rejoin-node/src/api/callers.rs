//! Who is connected, and who goes when there are too many: the one who has held the line longest
//! without a question. So whoever only holds the line keeps nobody out.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{
    rt::{Read, Write},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time,
};

/// Connections at once; a person with a few terminals needs one or two.
const CONNECTIONS_MAX: usize = 32;
/// A caller on the same machine sends a request within milliseconds, and who sends none needs no line.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// Browsers send some twenty.
const HEADERS_MAX: usize = 64;
/// All headers together. A browser's are about one KiB, and hyper wants eight.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// No connection is kept for longer, idle or not: twice what the slowest answer takes.
const CONNECTION_MAX: Duration = Duration::from_secs(30);
/// After an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets callers in, for as long as it is polled; dropping it ends every call.
pub async fn let_in(listener: TcpListener, app: Router) {
    let mut callers = Callers::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                callers.make_room().await;
                callers.take_in(stream, app.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "a caller on 127.0.0.1 was not let in");
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whoever is connected, the oldest first.
#[derive(Default)]
struct Callers {
    tasks: JoinSet<()>,
    lines: VecDeque<Line>,
}

struct Line {
    task: AbortHandle,
    /// A question of this caller is being answered.
    asks: Arc<AtomicBool>,
}

impl Callers {
    fn take_in(&mut self, stream: TcpStream, app: Router) {
        let asks = Arc::new(AtomicBool::new(false));
        let served = serve(TokioIo::new(stream), app, Arc::clone(&asks));
        let task = self.tasks.spawn(async move {
            // Its end, good or bad, is the caller's business.
            let _ = time::timeout(CONNECTION_MAX, served).await;
        });
        self.lines.push_back(Line { task, asks });
    }

    async fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.lines.retain(|line| !line.task.is_finished());
        if self.lines.len() < CONNECTIONS_MAX {
            return;
        }
        let idle = |line: &Line| !line.asks.load(Ordering::Relaxed);
        if let Some(longest) = self.lines.iter().position(idle)
            && let Some(line) = self.lines.remove(longest)
        {
            line.task.abort();
        }
        // If everybody asks, whoever has been answered first makes room.
        self.tasks.join_next().await;
    }
}

/// Answers one caller until it has had enough. `asks` says whether it waits for an answer.
pub async fn serve(
    stream: impl Read + Write + Unpin,
    app: Router,
    asks: Arc<AtomicBool>,
) -> Result<(), hyper::Error> {
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |request| {
        let asks = Arc::clone(&asks);
        asks.store(true, Ordering::Relaxed);
        let answer = app.call(request);
        async move {
            let answer = answer.await;
            asks.store(false, Ordering::Relaxed);
            answer
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(stream, service)
        .await
}
