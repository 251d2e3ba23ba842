;; A v2 guest without the export `memory`: refused before it runs.
(module
  (import "env" "version_v2" (func))
  (func (export "_start")))
