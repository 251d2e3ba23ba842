package main

import (
	"os"
	"unsafe"
)

// What the host offers, in the form that the public SDK for Go imports it.

//go:wasmimport env version_v2_go
func versionV2()

//go:wasmimport env send_response
func sendResponse(ptr unsafe.Pointer, size int32) int32

//go:wasmimport env await_capabilities
func awaitCapabilities(ptr unsafe.Pointer, size int32, resp unsafe.Pointer, max int32) int64

//go:wasmimport env get_secrets
func getSecrets(ptr unsafe.Pointer, size int32, resp unsafe.Pointer, max int32) int64

//go:wasmimport env await_secrets
func awaitSecrets(ptr unsafe.Pointer, size int32, resp unsafe.Pointer, max int32) int64

//go:wasmimport env log
func hostLog(ptr unsafe.Pointer, size int32)

//go:wasmimport env switch_modes
func switchModes(mode int32)

//go:wasmimport env random_seed
func randomSeed(mode int32) int64

//go:wasmimport env now
func hostNow(ptr unsafe.Pointer) int32

const (
	modeDON        = 1
	modeNode       = 2
	answerBytesMax = 65536
	typePrefix     = "type.googleapis.com/"

	actionID     = "basic-test-action@1.0.0"
	nodeActionID = "basic-test-node-action@1.0.0"
	consensusID  = "consensus@1.0.0-alpha"
)

var mode int32

func switchTo(wanted int32) {
	mode = wanted
	switchModes(wanted)
}

func at(b []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(b))
}

func send(result []byte) {
	if sendResponse(at(result), int32(len(result))) != 0 {
		os.Exit(exitNotSent)
	}
	os.Exit(0)
}

func sendBytes(content []byte) {
	send(putBytes(nil, 1, putBytes(nil, 3, content)))
}

func sendText(content string) {
	send(putBytes(nil, 1, putBytes(nil, 1, []byte(content))))
}

func fail(reason string) {
	send(putBytes(nil, 2, []byte(reason)))
}

func logLine(text string) {
	line := []byte(text)
	hostLog(at(line), int32(len(line)))
}

// now is the host's time in nanoseconds, of the mode that the guest is in.
func now() int64 {
	var moment int64
	if hostNow(unsafe.Pointer(&moment)) != 0 {
		fail("the host has no time")
	}
	return moment
}

func anyOf(name string, message []byte) []byte {
	return putBytes(putBytes(nil, 1, []byte(typePrefix+name)), 2, message)
}

// call starts a call and gives its id; the run fails with the host's text when it is refused.
func call(id int32, capability, method, payloadType string, payload []byte) int32 {
	message := putBytes(nil, 1, []byte(capability))
	message = putBytes(message, 2, anyOf(payloadType, payload))
	message = putBytes(message, 3, []byte(method))
	message = putUint(message, 4, uint64(int64(id)))
	if refusal := callCapability(message); refusal != "" {
		fail(refusal)
	}
	return id
}

// await is the CapabilityResponse of one call.
func await(id int32, bytesMax int32) []byte {
	return entry(awaitCapabilities, id, bytesMax)
}

func entry(wait func(unsafe.Pointer, int32, unsafe.Pointer, int32) int64, id int32, bytesMax int32) []byte {
	ids := putBytes(nil, 1, putVarint(nil, uint64(int64(id))))
	answer := make([]byte, bytesMax)
	n := wait(at(ids), int32(len(ids)), at(answer), bytesMax)
	if n < 0 {
		fail(string(answer[:-n]))
	}
	return lastBytes(lastBytes(answer[:n], 1), 2)
}

// payload is the message in a CapabilityResponse; the run fails with its error when it has one.
func payload(response []byte) []byte {
	if problem, failed := last(response, 2); failed {
		fail(string(problem.bytes))
	}
	return lastBytes(lastBytes(response, 1), 2)
}

// secret is the value of one secret; the run fails with the text of its error.
func secret(id int32, name, namespace string) string {
	asked := putBytes(putBytes(nil, 1, []byte(name)), 2, []byte(namespace))
	message := putUint(putBytes(nil, 1, asked), 2, uint64(id))
	refusal := make([]byte, 1024)
	if n := getSecrets(at(message), int32(len(message)), at(refusal), 1024); n < 0 {
		fail(string(refusal[:-n]))
	}
	response := lastBytes(entry(awaitSecrets, id, answerBytesMax), 1)
	if problem, failed := last(response, 2); failed {
		fail(string(lastBytes(problem.bytes, 4)))
	}
	return string(lastBytes(lastBytes(response, 1), 4))
}
