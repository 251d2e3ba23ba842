//go:build v2

package main

import "unsafe"

//go:wasmimport env call_capability
func envCallCapability(ptr unsafe.Pointer, size int32, resp unsafe.Pointer, max int32) int64

// callCapability starts a call; the text of a refusal lies in a buffer of its own.
func callCapability(message []byte) string {
	refusal := make([]byte, 1024)
	if n := envCallCapability(at(message), int32(len(message)), at(refusal), 1024); n < 0 {
		return string(refusal[:-n])
	}
	return ""
}
