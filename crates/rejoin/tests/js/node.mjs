// A js-libp2p node on loopback, for the programs beside: it runs until its standard input ends.

import './with-resolvers.mjs' // first: the others need it

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

// PORT is 0 for any, KEY a protobuf-encoded private key in base64 so that a second run is the same peer.
export async function start (port = '0', encoded = undefined) {
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
  process.stdin.resume()
  process.stdin.on('end', async () => {
    await node.stop()
    process.exit(0)
  })
  return { node, privateKey }
}

// One line, {"address": "/ip4/127.0.0.1/tcp/…/p2p/…", "key": "…", …}: it can be reached.
export function announce ({ node, privateKey }, more = {}) {
  const key = Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64')
  console.log(JSON.stringify({ address: node.getMultiaddrs()[0].toString(), key, ...more }))
}
