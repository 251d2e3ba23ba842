;; An import of `env` that no host has: refused with its name.
(module
  (import "env" "version_v2" (func))
  (import "env" "open_the_door" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
