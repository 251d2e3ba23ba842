;; A v2 guest without the export `_start`: refused before it runs.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1))
