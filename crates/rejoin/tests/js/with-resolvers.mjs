// Promise.withResolvers came with Node.js 22; js-libp2p uses it, and Node.js 20 is still about.

Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
