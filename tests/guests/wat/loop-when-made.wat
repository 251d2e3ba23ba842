;; Loops in the start section: the instance is never made, `_start` never reached.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (func $forever (loop $again (br $again)))
  (start $forever)
  (func (export "_start")))
