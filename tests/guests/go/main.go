// A guest with a real runtime behind it: Go's own, standard library only.
//
// The config says what its trigger does: "echo" answers the input of the HTTP trigger, "call" makes two calls of the
// basic test action and answers both results, "panic" panics, "spin" never ends; any other config is the answer itself.
package main

import (
	"encoding/base64"
	"os"
	"strings"
	"unsafe"
)

//go:wasmimport env version_v2
func versionV2()

//go:wasmimport env send_response
func sendResponse(ptr unsafe.Pointer, size int32) int32

//go:wasmimport env call_capability
func callCapability(ptr unsafe.Pointer, size int32) int64

//go:wasmimport env await_capabilities
func awaitCapabilities(ptr unsafe.Pointer, size int32, resp unsafe.Pointer, max int32) int64

//go:wasmimport env switch_modes
func switchModes(mode int32)

//go:wasmimport env log
func hostLog(ptr unsafe.Pointer, size int32)

const (
	fieldSubscribe = 2
	fieldTrigger   = 3
	modeDON        = 1
	exitBadRequest = 111
	exitNotSent    = 113
	answerBytesMax = 65536
	typePrefix     = "type.googleapis.com/capabilities."
)

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

func fail(reason string) {
	send(putBytes(nil, 2, []byte(reason)))
}

func anyOf(name string, message []byte) []byte {
	return putBytes(putBytes(nil, 1, []byte(typePrefix+name)), 2, message)
}

func subscribe() {
	subscription := putBytes(nil, 1, []byte("http-trigger@1.0.0-alpha"))
	subscription = putBytes(subscription, 2, anyOf("networking.http.v1alpha.Config", nil))
	subscription = putBytes(subscription, 3, []byte("Trigger"))
	send(putBytes(nil, 3, putBytes(nil, 1, subscription)))
}

func start(callback uint64, on uint64) {
	request := putBytes(nil, 1, []byte("basic-test-action@1.0.0"))
	request = putBytes(request, 2, anyOf("internal.basicaction.v1.Inputs", putUint(nil, 1, on)))
	request = putBytes(request, 3, []byte("PerformAction"))
	request = putUint(request, 4, callback)
	if n := callCapability(at(request), int32(len(request))); n < 0 {
		fail(string(request[:-n]))
	}
}

func finish(callback uint64) string {
	request := putBytes(nil, 1, putVarint(nil, callback))
	answer := make([]byte, answerBytesMax)
	n := awaitCapabilities(at(request), int32(len(request)), at(answer), answerBytesMax)
	if n < 0 {
		fail(string(answer[:-n]))
	}
	response := lastBytes(lastBytes(answer[:n], 1), 2)
	if problem, failed := last(response, 2); failed {
		fail(string(problem.bytes))
	}
	return string(lastBytes(lastBytes(lastBytes(response, 1), 2), 1))
}

func trigger(config, event []byte) {
	switchModes(modeDON)
	switch string(config) {
	case "echo":
		sendBytes(lastBytes(lastBytes(lastBytes(event, 2), 2), 1))
	case "call":
		start(1, 1)
		start(2, 0)
		texts := []string{finish(1), finish(2)}
		line := []byte("called " + strings.Join(texts, ", "))
		hostLog(at(line), int32(len(line)))
		sendBytes([]byte(strings.Join(texts, "")))
	case "panic":
		panic("as asked")
	case "spin":
		for {
		}
	default:
		sendBytes(config)
	}
}

func main() {
	versionV2()
	if len(os.Args) != 2 {
		os.Exit(exitBadRequest)
	}
	request, err := base64.StdEncoding.DecodeString(os.Args[1])
	if err != nil {
		os.Exit(exitBadRequest)
	}
	if event, is := last(request, fieldTrigger); is {
		trigger(lastBytes(request, 1), event.bytes)
	} else if _, is := last(request, fieldSubscribe); is {
		subscribe()
	}
	os.Exit(exitBadRequest)
}
