;; No marker `version_v2…`: a guest of the time before, which cannot be executed.
(module
  (memory (export "memory") 1)
  (func (export "_start")))
