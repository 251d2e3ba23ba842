// A browser page: a Yjs document and the stock provider of y-websocket, on the WebSocket that Node has of its own.
const Y = require('yjs')
const { WebsocketProvider } = require('y-websocket')
const { answer, bytes, hex } = require('./asked.cjs')

const doc = new Y.Doc()
const seen = { statuses: [], closes: [], denied: [], received: [] }
console.warn = (text) => { seen.denied.push(String(text)) }
let provider = null

class Recorded extends WebSocket {
  constructor (url, protocols) {
    super(url, protocols)
    this.addEventListener('message', ({ data }) => { seen.received.push(hex(new Uint8Array(data))) })
  }
}

const until = async (holds, what) => {
  for (const deadline = Date.now() + 15_000; !holds();) {
    if (Date.now() > deadline) throw new Error(`gave up waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

answer({
  connect: async ({ base, room, params, protocols, awareness }) => {
    provider = new WebsocketProvider(base, room, doc, {
      params: params ?? {}, protocols: protocols ?? [], WebSocketPolyfill: Recorded, disableBc: true, maxBackoffTime: 200
    })
    provider.on('status', ({ status }) => seen.statuses.push(status))
    provider.on('connection-close', (event) => { if (event) seen.closes.push([event.code, event.reason]) })
    if (awareness) provider.awareness.setLocalState(awareness)
  },
  synced: () => until(() => provider.synced, 'the first sync'),
  unsynced: () => until(() => !provider.wsconnected, 'the end of the connection'),
  closed: () => until(() => seen.closes.length > 0, 'a close'),
  disconnect: () => { provider.disconnect() },
  reconnect: () => { provider.connect() },
  awareness: ({ state }) => { provider.awareness.setLocalState(state) },
  others: async ({ count }) => {
    const others = () => [...provider.awareness.getStates()].filter(([id]) => id !== doc.clientID).map(([, state]) => state)
    await until(() => others().length === count, `${count} other states`)
    return others()
  },
  seen: () => seen,
  deniedOnce: async () => { await until(() => seen.denied.length > 0, 'a denial') },
  connected: () => provider.wsconnected,
  push: ({ array, values }) => { doc.getArray(array).push(values) },
  remove: ({ array, index, count }) => { doc.getArray(array).delete(index, count ?? 1) },
  values: ({ array }) => doc.getArray(array).toJSON(),
  length: async ({ array, length }) => {
    await until(() => doc.getArray(array).length === length, `${length} entries in ${array}`)
    return doc.getArray(array).toJSON()
  },
  child: ({ map, key }) => { doc.getMap(map).set(key, new Y.Doc()) },
  sendRaw: ({ frame }) => { provider.ws.send(bytes(frame)) },
  state: () => hex(Y.encodeStateAsUpdate(doc)),
  clientId: () => doc.clientID
})
