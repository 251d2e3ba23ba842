// The other side of bench/workspace_sealing.py in Node: @noble/ciphers seals and opens a workspace value of format 1, as the
// programs of that family do. Asked with lines on its standard input, it answers each with a line of JSON.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { xchacha20poly1305 } = await import(pathToFileURL(require.resolve("@noble/ciphers/chacha.js")).href);
const { randomBytes } = await import(pathToFileURL(require.resolve("@noble/ciphers/utils.js")).href);

const KEY = new Uint8Array(32).fill(0x11);
const AAD = new TextEncoder().encode("tab-1");

function seal(plaintext) {
  const nonce = randomBytes(24);
  const sealed = xchacha20poly1305(KEY, nonce, AAD).encrypt(plaintext);
  const blob = new Uint8Array(26 + sealed.length);
  blob[0] = 1;
  blob[1] = 1;
  blob.set(nonce, 2);
  blob.set(sealed, 26);
  return blob;
}

function open(blob) {
  return xchacha20poly1305(KEY, blob.subarray(2, 26), AAD).decrypt(blob.subarray(26));
}

function act(line) {
  const [what, first, second] = line.split(" ");
  if (what === "open") return open(new Uint8Array(Buffer.from(first, "hex"))).length;
  const plaintext = new Uint8Array(Number(first)).fill(0x61);
  const count = Number(second);
  const began = process.hrtime.bigint();
  for (let i = 0; i < count; i++) open(seal(plaintext));
  return Number(process.hrtime.bigint() - began) / 1e9 / count;
}

const { version } = JSON.parse(readFileSync(`${process.argv[2]}/node_modules/@noble/ciphers/package.json`, "utf8"));
console.log(JSON.stringify(`@noble/ciphers ${version}, Node ${process.versions.node}`));
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(act(line)));
