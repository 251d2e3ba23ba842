// One Yjs document that a test edits and reads: what a browser would hold.
const Y = require('yjs')
const { answer, bytes, hex } = require('./asked.cjs')

const doc = new Y.Doc()

answer({
  push: ({ array, values }) => { doc.getArray(array).push(values) },
  remove: ({ array, index, count }) => { doc.getArray(array).delete(index, count ?? 1) },
  values: ({ array }) => doc.getArray(array).toJSON(),
  apply: ({ update }) => { Y.applyUpdate(doc, bytes(update)) },
  applyV2: ({ update }) => { Y.applyUpdateV2(doc, bytes(update)) },
  update: () => hex(Y.encodeStateAsUpdate(doc)),
  updateV2: () => hex(Y.encodeStateAsUpdateV2(doc)),
  stateVector: () => hex(Y.encodeStateVector(doc)),
  toV2: ({ update }) => hex(Y.convertUpdateFormatV1ToV2(bytes(update))),
  toV1: ({ update }) => hex(Y.convertUpdateFormatV2ToV1(bytes(update)))
})
