;; Two memories, of which the contract allows one.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (memory (export "second") 1)
  (func (export "_start")))
