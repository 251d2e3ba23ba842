// Answers questions of a test, one JSON object a line: {"ask": name, …} in, {"answer": value} or {"error": text} out.
// A script gives its handlers, by name; a handler gets the question and may be async.
const { createInterface } = require('node:readline')

exports.answer = (handlers) => {
  const write = (value) => process.stdout.write(JSON.stringify(value) + '\n')
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity })
  let last = Promise.resolve()
  lines.on('line', (line) => {
    last = last.then(async () => {
      try {
        const question = JSON.parse(line)
        const handler = handlers[question.ask]
        if (handler === undefined) throw new Error(`nobody answers "${question.ask}"`)
        write({ answer: (await handler(question)) ?? null })
      } catch (error) {
        write({ error: String(error?.stack ?? error) })
      }
    })
  })
  lines.on('close', () => { last.finally(() => process.exit(0)) })
}

exports.bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'))
exports.hex = (bytes) => Buffer.from(bytes).toString('hex')
