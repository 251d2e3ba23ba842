;; Asks for 4 GiB before its first instruction.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 65536)
  (func (export "_start")))
