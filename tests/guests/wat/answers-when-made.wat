;; Answers "early" from its start function, while there is no instance yet; _start does nothing.
(module
  (import "env" "version_v2" (func))
  (import "env" "send_response" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\0a\07\0a\05early")
  (func $early (drop (call $send (i32.const 16) (i32.const 9))))
  (start $early)
  (func (export "_start")))
