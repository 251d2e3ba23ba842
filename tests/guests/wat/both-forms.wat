;; Imports call_capability in both of its forms, of which a module has one.
(module
  (import "env" "version_v2" (func))
  (import "env" "call_capability" (func (param i32 i32) (result i64)))
  (import "env" "call_capability" (func (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "_start")))
