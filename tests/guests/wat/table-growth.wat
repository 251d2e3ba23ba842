;; Grows its table until the host says no, then traps.
(module
  (import "env" "version_v2" (func))
  (memory (export "memory") 1)
  (table $many 1 funcref)
  (func (export "_start")
    (loop $again
      (br_if $again (i32.ne (table.grow $many (ref.null func) (i32.const 100000)) (i32.const -1))))
    unreachable))
