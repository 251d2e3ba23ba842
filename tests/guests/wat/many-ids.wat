;; Awaits as many ids as its memory holds, each of one byte, of calls and of secrets; then answers.
(module
  (import "env" "version_v2" (func))
  (import "env" "await_capabilities" (func $calls (param i32 i32 i32 i32) (result i64)))
  (import "env" "await_secrets" (func $secrets (param i32 i32 i32 i32) (result i64)))
  (import "env" "send_response" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1500)
  (data (i32.const 0) "\0a\80\95\f5\2a")
  (data (i32.const 95000000) "\0a\06\0a\04many")
  (func (export "_start")
    (drop (call $calls (i32.const 0) (i32.const 90000005) (i32.const 96000000) (i32.const 200)))
    (drop (call $secrets (i32.const 0) (i32.const 90000005) (i32.const 96000000) (i32.const 200)))
    (drop (call $send (i32.const 95000000) (i32.const 8)))))
