;; Imports one function twice, and answers "twice" with the second.
(module
  (import "env" "version_v2" (func))
  (import "env" "send_response" (func $unused (param i32 i32) (result i32)))
  (import "env" "send_response" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\0a\07\0a\05twice")
  (func (export "_start")
    (drop (call $send (i32.const 16) (i32.const 9)))))
