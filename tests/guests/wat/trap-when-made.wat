;; Traps in the start section.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (func $gone unreachable)
  (start $gone)
  (func (export "_start")))
