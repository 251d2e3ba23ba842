// The other side of bench/payloads.py in Node: WebCrypto seals and opens `encr` payloads, each awaited before the next one, as
// the programs do that made the format. Asked with lines on its standard input, it answers each with a line of JSON.

import { createInterface } from "node:readline";

const PREFIX = new TextEncoder().encode("encr");
const KEY = await crypto.subtle.importKey("raw", new Uint8Array(32).fill(0x11), "AES-GCM", false, ["encrypt", "decrypt"]);

async function seal(plaintext) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, KEY, plaintext));
  const payload = new Uint8Array(16 + sealed.length);
  payload.set(PREFIX, 0);
  payload.set(iv, 4);
  payload.set(sealed, 16);
  return payload;
}

async function open(payload) {
  const iv = payload.subarray(4, 16);
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, KEY, payload.subarray(16)));
}

async function act(line) {
  const [what, first, second] = line.split(" ");
  if (what === "length") return (await open(new Uint8Array(Buffer.from(first, "hex")))).length;
  const plaintext = new Uint8Array(Number(first)).fill(0x61);
  const count = Number(second);
  const payload = await seal(plaintext);
  const began = process.hrtime.bigint();
  for (let i = 0; i < count; i++) await (what === "seal" ? seal(plaintext) : open(payload));
  return Number(process.hrtime.bigint() - began) / 1e9 / count;
}

console.log(JSON.stringify(`WebCrypto, Node ${process.versions.node}`));
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await act(line)));
