;; The export `_start` is there and is no function: refused before it runs.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (export "_start" (memory 0)))
