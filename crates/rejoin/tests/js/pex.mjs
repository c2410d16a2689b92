// A js-libp2p node that speaks /rejoin/pex/1 as docs/wire.md has it, with js-libp2p's own signed records
// and a CBOR library that knows nothing of ours.
//
//   node pex.mjs
//
// Tells of itself and of a third peer, which it announces under "tells"; asks whoever comes. Prints
// {"asked": RECORD} for the record in a question it got, {"told": [RECORD, …]} for an answer, and
// {"refused": WHY} for what js-libp2p does not accept. A RECORD is {"peer", "seq", "addresses"}.

import { announce, start } from './node.mjs' // first: the others need what it brings

import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromPublicKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { decode, encode } from 'cborg'

const PROTOCOL = '/rejoin/pex/1'

const me = await start()
const carol = await generateKeyPair('Ed25519')
const tells = [
  record(me.privateKey, 7n, me.node.getMultiaddrs()),
  record(carol, 8n, [multiaddr('/ip4/127.0.0.1/tcp/9'), multiaddr('/ip4/127.0.0.1/udp/9/quic-v1')]),
]
const [own, third] = await Promise.all([
  RecordEnvelope.seal(tells[0], me.privateKey),
  RecordEnvelope.seal(tells[1], carol),
])

await me.node.handle(PROTOCOL, stream => attempt(async () => {
  const question = decode(await all(stream))
  say(stream, { peers: [own.marshal(), third.marshal()] })
  if (question.own !== null) {
    console.log(JSON.stringify({ asked: shown(await opened(question.own)) }))
  }
}))

me.node.addEventListener('peer:identify', ({ detail: { connection } }) => attempt(async () => {
  const stream = await connection.newStream(PROTOCOL)
  say(stream, { own: own.marshal() })
  const { peers } = decode(await all(stream))
  const told = await Promise.all(peers.map(opened))
  console.log(JSON.stringify({ told: told.map(shown) }))
}))

announce(me, { tells: tells.map(shown) })

function record (privateKey, seqNumber, multiaddrs) {
  return new PeerRecord({ peerId: peerIdFromPrivateKey(privateKey), seqNumber, multiaddrs })
}

// What js-libp2p makes of an envelope: its signature has to fit, and its key the peer's name.
async function opened (bytes) {
  const envelope = await RecordEnvelope.openAndCertify(bytes, PeerRecord.DOMAIN)
  if (!Buffer.from(envelope.payloadType).equals(Buffer.from(PeerRecord.CODEC))) {
    throw new Error('another payload type')
  }
  const record = PeerRecord.createFromProtobuf(envelope.payload)
  if (!record.peerId.equals(peerIdFromPublicKey(envelope.publicKey))) {
    throw new Error('somebody else\'s key')
  }
  return record
}

function shown ({ peerId, seqNumber, multiaddrs }) {
  return { peer: peerId.toString(), seq: Number(seqNumber), addresses: multiaddrs.map(String) }
}

async function all (stream) {
  const parts = []
  for await (const part of stream) {
    parts.push(part.subarray())
  }
  return Buffer.concat(parts)
}

function say (stream, message) {
  stream.send(encode(message))
  stream.close() // our side of it
}

async function attempt (what) {
  try {
    await what()
  } catch (error) {
    console.log(JSON.stringify({ refused: String(error) }))
  }
}
