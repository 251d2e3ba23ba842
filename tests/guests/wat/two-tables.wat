;; Has two tables, and a guest may have one.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (table 1 funcref)
  (table 1 funcref)
  (func (export "_start")))
