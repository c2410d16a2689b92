// A js-libp2p node that listens on loopback until its standard input ends.
//
//   node peer.mjs [PORT] [KEY]
//
// PORT is 0 for any, KEY a protobuf-encoded private key in base64 so that a second run is the same
// peer. Prints one line, {"address": "/ip4/127.0.0.1/tcp/…/p2p/…", "key": "…"}, when it can be
// reached.

import './with-resolvers.mjs' // first: the others need it

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

const [port = '0', encoded] = process.argv.slice(2)
const privateKey = encoded
  ? privateKeyFromProtobuf(Buffer.from(encoded, 'base64'))
  : await generateKeyPair('Ed25519')

const node = await createLibp2p({
  privateKey,
  addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
})

const key = Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64')
console.log(JSON.stringify({ address: node.getMultiaddrs()[0].toString(), key }))

process.stdin.resume()
process.stdin.on('end', async () => {
  await node.stop()
  process.exit(0)
})
