// @noble/ciphers seals and opens what workspace values are sealed with, as the programs of that family do.
const { readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const { pathToFileURL } = require('node:url')
const { answer, bytes, hex } = require('./asked.cjs')

const file = require.resolve('@noble/ciphers/chacha.js')
const cipher = async () => (await import(pathToFileURL(file).href)).xchacha20poly1305

answer({
  version: () => JSON.parse(readFileSync(join(dirname(file), 'package.json'), 'utf8')).version,
  seal: async ({ values }) => {
    const xchacha20poly1305 = await cipher()
    return values.map(({ key, nonce, aad, text }) => hex(xchacha20poly1305(bytes(key), bytes(nonce), bytes(aad)).encrypt(bytes(text))))
  },
  open: async ({ values }) => {
    const xchacha20poly1305 = await cipher()
    return values.map(({ key, nonce, aad, text }) => {
      try {
        return hex(xchacha20poly1305(bytes(key), bytes(nonce), bytes(aad)).decrypt(bytes(text)))
      } catch (error) {
        return 'refused'
      }
    })
  }
})
