;; The export `memory` is there and is a number: refused before it runs.
(module
  (import "env" "version_v2" (func))
  (global (export "memory") i32 (i32.const 1))
  (func (export "_start")))
