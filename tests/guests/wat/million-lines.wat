;; Logs a million lines, and answers.
(module
  (import "env" "version_v2" (func))
  (import "env" "switch_modes" (func $switch (param i32)))
  (import "env" "log" (func $log (param i32 i32)))
  (import "env" "send_response" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\0a\08\0a\06logged")
  (func (export "_start") (local $left i32)
    (call $switch (i32.const 1))
    (local.set $left (i32.const 1000000))
    (loop $again
      (call $log (i32.const 20) (i32.const 6))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (drop (call $send (i32.const 16) (i32.const 10)))))
