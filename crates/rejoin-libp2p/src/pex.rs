//! Peer exchange on the wire: `/rejoin/pex/1`, one question and one answer per stream, in CBOR. Field
//! by field it is described in `docs/wire.md`. When to ask and what to answer, the engine says.

use std::io;

use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response::{self, Codec, ProtocolSupport},
};
use rejoin_core::exchange;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

/// The protocol's behaviour.
pub(crate) type Pex = request_response::Behaviour<Wire>;

/// What happens on it.
pub(crate) type PexEvent = request_response::Event<Question, Answer>;

/// A question: whom do you know?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The asker's own signed record, if it wants to be known.
    #[serde(default)]
    pub own: Option<ByteBuf>,
}

/// An answer: signed records, the answerer's own first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Each a `SignedEnvelope` in protobuf.
    pub peers: Vec<ByteBuf>,
}

/// How both are written and read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire;

/// One record of at most 4 KiB, and what is around it.
const QUESTION_BYTES_MAX: usize = 4_096 + 64;

/// Fifty records of at most 4 KiB, and what is around them.
const ANSWER_BYTES_MAX: usize = 50 * (4_096 + 8) + 64;

/// The behaviour with its one protocol.
pub(crate) fn behaviour(config: request_response::Config) -> Pex {
    let protocol = StreamProtocol::new(exchange::PROTOCOL);
    Pex::with_codec(Wire, [(protocol, ProtocolSupport::Full)], config)
}

/// Whether what came was no honest message, rather than cut off on its way.
pub(crate) fn is_nonsense(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

impl Codec for Wire {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, QUESTION_BYTES_MAX).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, ANSWER_BYTES_MAX).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Question,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&encode(&question)).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&encode(&answer)).await
    }
}

async fn read<M: DeserializeOwned>(
    io: &mut (impl AsyncRead + Unpin + Send),
    bytes_max: usize,
) -> io::Result<M> {
    let mut bytes = Vec::new();
    // One more than allowed shows that there are too many.
    io.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .await?;
    decode(&bytes, bytes_max)
}

/// Reads a message of at most so many bytes.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> io::Result<M> {
    let nonsense = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    if bytes.len() > bytes_max {
        return Err(nonsense(format!(
            "a message of more than {bytes_max} bytes"
        )));
    }
    cbor4ii::serde::from_slice(bytes).map_err(|error| nonsense(error.to_string()))
}

/// Writes a message.
pub(crate) fn encode(message: &impl Serialize) -> Vec<u8> {
    cbor4ii::serde::to_vec(Vec::new(), message).expect("memory takes all, and these have a form")
}

#[cfg(test)]
mod tests {
    use libp2p::futures::{executor::block_on, io::Cursor};

    use super::*;

    #[test]
    fn a_message_reads_back_as_it_was_written() {
        let own = Some(ByteBuf::from(vec![7; 300]));
        for question in [Question::default(), Question { own }] {
            let bytes = encode(&question);
            let read: Question = decode(&bytes, QUESTION_BYTES_MAX).unwrap();
            assert_eq!(read, question);
        }
        let peers = vec![ByteBuf::from(vec![1; 4_096]); 50];
        let answer = Answer { peers };
        let bytes = encode(&answer);
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "the largest answer fits");
        assert_eq!(decode::<Answer>(&bytes, ANSWER_BYTES_MAX).unwrap(), answer);
    }

    #[test]
    fn the_wire_looks_as_documented() {
        let question = Question {
            own: Some(ByteBuf::from(vec![1, 2])),
        };
        assert_eq!(encode(&question), b"\xa1\x63own\x42\x01\x02");
        assert_eq!(encode(&Question::default()), b"\xa1\x63own\xf6");
        let answer = Answer {
            peers: vec![ByteBuf::from(vec![1, 2])],
        };
        assert_eq!(encode(&answer), b"\xa1\x65peers\x81\x42\x01\x02");
    }

    #[test]
    fn a_field_of_a_newer_version_is_passed_over() {
        let bytes = b"\xa2\x63own\xf6\x63new\x01";
        assert_eq!(decode::<Question>(bytes, 64).unwrap(), Question::default());
    }

    #[test]
    fn too_much_and_nonsense_are_refused() {
        let mut long = Cursor::new(vec![0; QUESTION_BYTES_MAX + 9]);
        let too_long = block_on(read::<Question>(&mut long, QUESTION_BYTES_MAX)).unwrap_err();
        assert!(is_nonsense(&too_long), "{too_long}");
        assert_eq!(
            long.position(),
            QUESTION_BYTES_MAX as u64 + 1,
            "no more is read"
        );
        // Among them a list that claims to have four thousand million entries.
        for nonsense in [
            &b""[..],
            b"\xff",
            b"\xa1\x65peers\x9a\xff\xff\xff\xff",
            b"\x01",
        ] {
            assert!(is_nonsense(&decode::<Answer>(nonsense, 64).unwrap_err()));
        }
    }
}
