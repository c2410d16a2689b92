//! The way into a running node: a port on 127.0.0.1, and a note in the data folder that says which.
//! Nothing outside this machine can reach it.

use std::net::Ipv4Addr;

use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

use crate::{
    api::{self, Ask},
    failure::Failure,
    folder::Folder,
    note::{Note, Token, random_hex},
};

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
            token: Token::draw()?,
            instance: random_hex::<8>()?,
        };
        note.write(folder)?;
        let app = api::app(asks, port, note.token.reveal());
        let open = Open {
            folder: folder.clone(),
            task: tokio::spawn(api::callers::let_in(listener, app)),
        };
        let instance = note.instance;
        Ok((Self { instance, port }, open))
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
