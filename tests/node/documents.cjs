// Documents at random, as Yjs writes them: several clients, every kind of content, in both encodings.
const Y = require('yjs')
const encoding = require('lib0/encoding')
const decoding = require('lib0/decoding')
const { answer, bytes, hex } = require('./asked.cjs')

// Repeatable numbers from 0 to below n.
const dice = (seed) => {
  let state = BigInt(seed) * 2862933555777941757n + 3037000493n
  return (n) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn
    return Number((state >> 33n) % BigInt(n))
  }
}

const TEXTS = ['', 'a', 'plain words', 'ü', '日本語', '😀', 'x😀y', '👩‍👩‍👧', '\u0000', '"quoted"\\', '\u2028', '\ufffd']
const NUMBERS = [0, -0, 1, -1, 63, 64, -64, 127, 128, 2 ** 31 - 1, -(2 ** 31 - 1), 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 0.5, 0.1,
  1.5e300, 1e21, 1e-7, 123456789012345680000, NaN, Infinity, -Infinity, 1767227000000, 5e-324]

const scalar = (die) => {
  switch (die(8)) {
    case 0: return null
    case 1: return die(2) === 1
    case 2: case 3: return NUMBERS[die(NUMBERS.length)]
    case 4: return die(1000000) / 64
    default: return TEXTS[die(TEXTS.length)]
  }
}

const json = (die, depth = 0) => {
  if (depth > 2 || die(3) > 0) return scalar(die)
  if (die(2) === 0) return Array.from({ length: die(4) }, () => json(die, depth + 1))
  return Object.fromEntries(Array.from({ length: die(4) }, () => [['k', 'ü', '7', '10', 'key', '😀'][die(6)], json(die, depth + 1)]))
}

// What JSON text carries whole: V1 keeps formats and embedded objects as text, which has no -0, NaN or Infinity.
const textual = (die) => JSON.parse(JSON.stringify(json(die)))

const anyValue = (die) => {
  switch (die(6)) {
    case 0: return new Uint8Array(Array.from({ length: die(200) }, () => die(256)))
    case 1: return { key: `entry${die(50)}`, val: new Uint8Array([1, 1, die(256)]), ts: 1767227000000 + die(1000) }
    case 2: return { none: undefined, whole: BigInt(die(1000)) - 500n, raw: [new Uint8Array([die(256)])] }
    default: return json(die)
  }
}

const shared = (die, rare) => [() => new Y.Map(), () => new Y.Array(), () => new Y.Text('in it'), () => new Y.XmlText('t'),
  () => new Y.XmlElement('node'), () => new Y.XmlFragment(), () => new Y.XmlHook('hook')][die(rare ? 7 : 6)]()

// `rare` adds what y-crdt cannot read or what is refused: hooks and child documents. `split` lets an edit fall between
// the two halves of a sign. `values` has plain values only, as documents of tables do.
const change = (doc, die, { rare = false, split = true, values = false } = {}) => {
  const array = doc.getArray('array'); const map = doc.getMap('map'); const text = doc.getText('text')
  const xml = doc.getXmlFragment('xml')
  switch (die(values ? 5 : rare ? 13 : 12)) {
    case 0: case 1: array.insert(die(array.length + 1), Array.from({ length: 1 + die(4) }, () => anyValue(die))); break
    case 2: if (array.length) { const at = die(array.length); array.delete(at, Math.min(1 + die(3), array.length - at)) } break
    case 3: map.set(['a', 'b', 'ü', '😀'][die(4)], anyValue(die)); break
    case 4: map.delete(['a', 'b', 'ü', '😀'][die(4)]); break
    case 5: case 6: text.insert(die(text.length + 1), split ? TEXTS[die(TEXTS.length)] : ['a', 'ü', 'words', '日本語'][die(4)]); break
    case 7: if (text.length) { const at = die(text.length); text.delete(at, Math.min(1 + die(3), text.length - at)) } break
    case 8: if (text.length) { const at = die(text.length); text.format(at, Math.min(1 + die(5), text.length - at), { [['bold', 'ü'][die(2)]]: [true, null, textual(die)][die(3)] }) } break
    case 9: text.insertEmbed(die(text.length + 1), { image: textual(die), 7: 'index' }); break
    case 10: if (die(2)) { array.insert(die(array.length + 1), [shared(die, rare)]) } else { map.set('nested', shared(die, rare)) } break
    case 11: {
      const node = new Y.XmlElement('p')
      xml.insert(die(xml.length + 1), [node])
      node.setAttribute('class', 'x'); node.insert(0, [new Y.XmlText('words')])
      if (xml.length > 2) xml.delete(die(xml.length), 1)
      break
    }
    case 12: map.set('document', new Y.Doc({ guid: 'child', meta: { die: die(9) } })); break
  }
}

const converted = (updates) => updates.map((update) => [hex(update), hex(Y.convertUpdateFormatV1ToV2(update))])

answer({
  // Three clients that write and meet: every update on its own, whole documents, merged ones with gaps, and differences.
  random: ({ seed, steps, gc, ...kinds }) => {
    const die = dice(seed)
    const docs = [1, 2 ** 32 - 1, 300].map((id) => { const doc = new Y.Doc({ gc }); doc.clientID = id; return doc })
    const updates = []
    const writtenV2 = []
    for (const doc of docs) {
      doc.on('update', (update, origin) => { if (origin !== 'peer') updates.push(update) })
      doc.on('updateV2', (update, origin) => { if (origin !== 'peer') writtenV2.push(hex(update)) })
    }
    for (let step = 0; step < steps; step++) {
      const doc = docs[die(3)]
      doc.transact(() => { for (let n = die(3); n >= 0; n--) change(doc, die, kinds) })
      if (die(4) === 0) {
        const other = docs[die(3)]
        if (other !== doc) Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)), 'peer')
      }
    }
    for (const doc of docs) for (const other of docs) if (doc !== other) Y.applyUpdate(other, Y.encodeStateAsUpdate(doc), 'peer')
    const some = updates.filter(() => die(3) > 0)
    const merged = some.length ? [Y.mergeUpdates(some)] : []
    const early = Y.encodeStateVectorFromUpdate(Y.mergeUpdates(updates.slice(0, 1 + die(updates.length))))
    const states = docs.map((doc) => Y.encodeStateAsUpdate(doc))
    return {
      pairs: converted([...updates, ...states, ...merged, ...merged.map((update) => Y.diffUpdate(update, early))]),
      written: updates.map((update, n) => [hex(update), writtenV2[n]]),
      stateV1: hex(states[0]),
      stateV2: hex(Y.encodeStateAsUpdateV2(docs[0])),
      stateVector: hex(Y.encodeStateVector(docs[0])),
      shown: shown(docs[0])
    }
  },
  show: ({ update }) => { const doc = new Y.Doc(); Y.applyUpdate(doc, bytes(update)); return { ...shown(doc), pending: doc.store.pendingStructs !== null } },
  toV1: ({ update }) => hex(Y.convertUpdateFormatV2ToV1(bytes(update))),
  toV2: ({ update }) => hex(Y.convertUpdateFormatV1ToV2(bytes(update))),
  // The same values pushed one by one.
  pushed: ({ client, array, values }) => {
    const doc = new Y.Doc(); doc.clientID = client
    for (const value of values) doc.getArray(array).push([value])
    return { update: hex(Y.encodeStateAsUpdate(doc)), updateV2: hex(Y.encodeStateAsUpdateV2(doc)) }
  },
  any: ({ seed, count }) => {
    const die = dice(seed)
    return Array.from({ length: count }, () => { const value = anyValue(die); return hex(encoding.encode((e) => encoding.writeAny(e, value))) })
  },
  again: ({ encoded }) => encoded.map((item) => hex(encoding.encode((e) => encoding.writeAny(e, decoding.readAny(decoding.createDecoder(bytes(item))))))),
  // What JSON text becomes as "any", and back as text.
  json: ({ texts }) => texts.map((text) => { const value = JSON.parse(text); return [hex(encoding.encode((e) => encoding.writeAny(e, value))), JSON.stringify(value)] })
})

const plain = (value) => JSON.parse(JSON.stringify(value, (_, item) =>
  typeof item === 'bigint' ? Number(item) : item instanceof Uint8Array ? { bytes: hex(item) } : item === undefined ? null
    : typeof item === 'number' && !Number.isFinite(item) ? String(item) : Object.is(item, -0) ? 0 : item))

function shown (doc) {
  return {
    array: plain(doc.getArray('array').toArray().map((item) => item instanceof Y.AbstractType ? item.constructor.name : item)),
    keys: [...doc.getMap('map').keys()].sort(),
    text: doc.getText('text').toString(),
    xml: doc.getXmlFragment('xml').length,
    stateVector: hex(Y.encodeStateVector(doc))
  }
}
