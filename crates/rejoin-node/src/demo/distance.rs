//! Distance between nodes that share a machine: whatever a far node says arrives one round trip
//! later. All of the round trip lies in its answers, since who asks cannot tell the difference.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use libp2p::futures::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, SinkExt, StreamExt,
    channel::mpsc,
    io::{ReadHalf, WriteHalf},
};
use tokio::time::{Sleep, sleep};

/// A connection whose words take their time.
#[derive(Debug)]
pub struct Far<S> {
    hears: ReadHalf<S>,
    says: mpsc::Sender<OnItsWay>,
    round_trip: Duration,
    has_spoken: bool,
}

/// Something said, and when it arrives.
type OnItsWay = (Pin<Box<Sleep>>, Vec<u8>);

/// Pieces on their way at once; a handshake has five.
const ON_THEIR_WAY_MAX: usize = 256;

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Far<S> {
    /// Moves a connection so far away.
    pub fn away(stream: S, round_trip: Duration) -> Self {
        let (hears, arrives) = stream.split();
        let (says, on_its_way) = mpsc::channel(ON_THEIR_WAY_MAX);
        tokio::spawn(deliver(on_its_way, arrives));
        Self {
            hears,
            says,
            round_trip,
            has_spoken: false,
        }
    }
}

/// Hands over what is due until nobody says anything any more, or nobody is there to hear it.
async fn deliver<S: AsyncWrite>(
    mut on_its_way: mpsc::Receiver<OnItsWay>,
    mut arrives: WriteHalf<S>,
) {
    while let Some((due, words)) = on_its_way.next().await {
        due.await;
        let written = arrives.write_all(&words).await;
        if written.is_err() || arrives.flush().await.is_err() {
            return;
        }
    }
    let _ = arrives.close().await; // the other end may have closed first
}

impl<S: AsyncRead + Unpin> AsyncRead for Far<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.hears).poll_read(cx, into)
    }
}

impl<S: Unpin> AsyncWrite for Far<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        words: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.says.poll_ready(cx)).map_err(gone)?;
        // From afar, TCP's own handshake would have taken a round trip before anybody could speak.
        let trips = if self.has_spoken { 1 } else { 2 };
        let due = Box::pin(sleep(self.round_trip * trips));
        self.has_spoken = true;
        self.says.start_send((due, words.to_vec())).map_err(gone)?;
        Poll::Ready(Ok(words.len()))
    }

    /// What is on its way needs no push.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.says.poll_close_unpin(cx).map_err(gone)
    }
}

fn gone(_: mpsc::SendError) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

#[cfg(test)]
mod tests {
    use libp2p::tcp::tokio::TcpStream;
    use tokio::net;

    use super::*;
    use crate::demo::stopwatch::Stopwatch;

    #[tokio::test]
    async fn words_arrive_whole_in_order_and_not_before_their_time() {
        let round_trip = Duration::from_millis(20);
        let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = net::TcpStream::connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(near, listener.accept());
        let mut near = TcpStream(near.unwrap());
        let mut far = Far::away(TcpStream(far.unwrap().0), round_trip);

        let watch = Stopwatch::start();
        near.write_all(b"how are you?").await.unwrap();
        let mut question = [0; 12];
        far.read_exact(&mut question).await.unwrap();
        for words in ["well, ", "thank ", "you"] {
            far.write_all(words.as_bytes()).await.unwrap();
        }
        far.close().await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "well, thank you");
        assert!(watch.elapsed() >= round_trip);
    }
}
