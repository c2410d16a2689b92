// A js-libp2p node that can be met, and met again.
//
//   node peer.mjs [PORT] [KEY]

import { announce, start } from './node.mjs'

announce(await start(...process.argv.slice(2)))
