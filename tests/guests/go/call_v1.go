//go:build !v2

package main

import "unsafe"

//go:wasmimport env call_capability
func envCallCapability(ptr unsafe.Pointer, size int32) int64

// callCapability starts a call; the text of a refusal lies over the message.
func callCapability(message []byte) string {
	if n := envCallCapability(at(message), int32(len(message))); n < 0 {
		return string(message[:-n])
	}
	return ""
}
