;; An import of another module than `env` and WASI: refused with its name.
(module
  (import "env" "version_v2" (func))
  (import "kernel" "open_the_door" (func))
  (memory (export "memory") 1)
  (func (export "_start")))
