;; `send_response` with a type of its own: refused with its name.
(module
  (import "env" "version_v2" (func))
  (import "env" "send_response" (func (param i64)))
  (memory (export "memory") 1)
  (func (export "_start")))
