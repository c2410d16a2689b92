//! The worst kind of dead peer: something accepts the connection and never says a word, as a
//! hanging process or a middlebox does. A dialler learns nothing until its patience is over.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};

/// Listens silently until it is dropped.
#[derive(Debug)]
pub struct Silence {
    accepting: JoinHandle<()>,
}

/// Connections held open at once. A dialler that waits has a handful; the oldest have given up.
const HELD_MAX: usize = 64;

/// How often a port is asked for while the sockets of whoever had it are being closed.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

impl Silence {
    /// Takes over an address whose owner is gone.
    ///
    /// # Errors
    /// If somebody still has it after two seconds.
    pub async fn at(address: SocketAddr) -> io::Result<Self> {
        let mut tries = 1;
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        };
        let accepting = tokio::spawn(async move {
            let mut held = VecDeque::with_capacity(HELD_MAX);
            loop {
                // An aborted connection is no reason to stop accepting others.
                if let Ok((stream, _)) = listener.accept().await {
                    if held.len() == HELD_MAX {
                        held.pop_front();
                    }
                    held.push_back(stream);
                }
            }
        });
        Ok(Self { accepting })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn it_takes_over_a_port_accepts_and_says_nothing() {
        let before = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = before.local_addr().unwrap();
        drop(before);

        let silence = Silence::at(address).await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"anybody there?").await.unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(answer.is_err(), "neither an answer nor an end");

        drop(silence);
        assert!(stream.read_u8().await.is_err(), "only its end ends it");
    }

    #[tokio::test]
    async fn whoever_has_waited_longest_is_let_go() {
        let address = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let _silence = Silence::at(address).await.unwrap();
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..HELD_MAX {
            others.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "hung up");
    }
}
