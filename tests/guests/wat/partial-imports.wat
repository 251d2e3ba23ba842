;; Imports next to nothing and answers the value "small" to whatever it is asked.
(module
  (import "env" "version_v2_by_hand" (func))
  (import "env" "send_response" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\0a\07\0a\05small")
  (func (export "_start")
    (drop (call $send (i32.const 16) (i32.const 9)))))
