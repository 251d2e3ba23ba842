;; The memory is the host's to give: refused, because a guest brings its own.
(module
  (import "env" "version_v2" (func))
  (import "env" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "_start")))
