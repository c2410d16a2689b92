// The course of ../src/course.rs for js-libp2p's peer store on LevelDB:
//
//     node --expose-gc course.js <folder>
//
// What to do comes in on stdin, a line of JSON each: the course, the peers, the dials. Out goes a row.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { LevelDatastore } from 'datastore-level'
import { TypedEventEmitter } from 'main-event'
import { identity } from 'multiformats/hashes/identity'

const folder = process.argv[2]
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const course = await next()
const { n } = course

let now = 1_790_000_000_000

async function next () {
  const { value } = await lines.next()
  return JSON.parse(value)
}

/** What its authors' node does: no flush, unless somebody asks for it. */
async function open () {
  const datastore = new LevelDatastore(folder)
  await datastore.open()
  const year = 365 * 86_400_000
  const store = persistentPeerStore({
    peerId: name('07'.repeat(32)),
    datastore,
    events: new TypedEventEmitter(),
    logger: defaultLogger()
  }, {
    // Peers it forgets within hours would not be there after a night.
    maxAddressAge: year,
    maxPeerAge: year
  })
  return { datastore, store }
}

/** A peer id whose key is written out in it. */
function name (id) {
  return peerIdFromMultihash(identity.digest(Buffer.from('08011220' + id, 'hex')))
}

async function insert ({ store }, peers) {
  for (const peer of peers) {
    await store.save(name(peer.id), { multiaddrs: peer.addresses.map(it => multiaddr(it)) })
  }
}

/** As js-libp2p notes a dial that worked. */
async function update ({ store }, peer) {
  now += 1
  await store.merge(name(peer.id), {
    multiaddrs: [multiaddr(peer.addresses[0])],
    metadata: { 'last-dial-success': Buffer.from(String(now)) }
  })
}

/** It has no order, and its limit does nothing; whoever wants the best goes through all. */
async function best ({ store }, k) {
  const dialled = peer => Number(Buffer.from(peer.metadata.get('last-dial-success') ?? []).toString())
  const all = (await store.all()).map(peer => [dialled(peer), peer])
  const found = all.sort(([a], [b]) => b - a).slice(0, k)
  if (found.length !== Math.min(k, n)) {
    throw new Error(`${found.length} peers in place of ${k}`)
  }
}

/** What came before a write that is flushed is flushed with it: they share a log. */
async function save ({ datastore }) {
  await datastore.db.put('/saved', new Uint8Array(), { sync: true })
}

async function timed (work) {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** The median of doing it again and again, in milliseconds. */
async function again (work, after = async () => {}) {
  const began = performance.now()
  const took = []
  while (took.length < course.again_min ||
    (performance.now() - began < course.again_for_ms && took.length < course.again_max)) {
    took.push(await timed(work))
    await after()
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)]
}

function residentBytes () {
  globalThis.gc()
  return process.memoryUsage.rss()
}

const before = residentBytes()
let it = await open()
let insertMs = 0
for (let done = 0; done < n;) {
  const batch = []
  while (batch.length < course.batch && done < n) {
    batch.push(await next())
    done += 1
  }
  insertMs += await timed(() => insert(it, batch))
}
const memory = Math.max(0, residentBytes() - before)
const saveAll = await timed(() => save(it))

const known = []
while (known.length < course.updates) {
  known.push(await next())
}
let updates = 0
const updateMs = await timed(async () => {
  const began = performance.now()
  while (updates < known.length && performance.now() - began < course.update_for_ms) {
    await update(it, known[updates])
    updates += 1
  }
})
await save(it)
const best5 = await again(() => best(it, 5))
const best20 = await again(() => best(it, 20))
let dial = 0
const saveOne = await again(async () => {
  await update(it, known[dial++ % known.length])
  await save(it)
})
await it.datastore.close()
const disk = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
const reopen = await again(async () => {
  it = await open()
  await best(it, 20)
}, () => it.datastore.close())

console.log(JSON.stringify({
  system: course.system,
  n,
  insert_us: insertMs * 1e3 / n,
  update_us: updateMs * 1e3 / updates,
  best5_us: best5 * 1e3,
  best20_us: best20 * 1e3,
  save_one_ms: saveOne,
  save_all_ms: saveAll,
  reopen_first_ms: reopen,
  disk_bytes_per_peer: disk / n,
  memory_bytes_per_peer: memory / n
}))
