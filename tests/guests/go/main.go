// A guest with a real runtime behind it: Go's own, standard library only.
//
// The config says what its trigger does: "echo" answers the input of the HTTP trigger, "call" makes two calls of the
// basic test action and answers both results, "panic" panics, "spin" never ends, "diary" writes down what it sees of
// the world, and the names of standard.go are the standard tests; any other config is the answer itself.
package main

import (
	"encoding/base64"
	"os"
	"strings"
)

const (
	fieldSubscribe = 2
	fieldTrigger   = 3
	fieldPreHook   = 5
	exitBadRequest = 111
	exitNotSent    = 113
)

// request is what the host asks for: one of its three kinds, as the number of its field.
type request struct {
	kind             uint64
	config           []byte
	index            uint64
	payload          []byte
	responseBytesMax uint64
}

func parse(message []byte) (request, bool) {
	asked := request{config: lastBytes(message, 1)}
	if limit, told := last(message, 4); told {
		asked.responseBytesMax = limit.value
	}
	for _, kind := range []uint64{fieldSubscribe, fieldTrigger, fieldPreHook} {
		if event, is := last(message, kind); is {
			asked.kind = kind
			asked.payload = lastBytes(lastBytes(event.bytes, 2), 2)
			if index, told := last(event.bytes, 1); told {
				asked.index = index.value
			}
		}
	}
	return asked, asked.kind != 0
}

func callBoth(request) {
	first, second := start(1, true), start(2, false)
	texts := []string{adapted(first), adapted(second)}
	logLine("called " + strings.Join(texts, ", "))
	sendBytes([]byte(strings.Join(texts, "")))
}

func trigger(asked request) {
	switchTo(modeDON)
	if behave, known := standard[string(asked.config)]; known {
		behave(asked)
	}
	switch string(asked.config) {
	case "echo":
		sendBytes(lastBytes(asked.payload, 1))
	case "call":
		callBoth(asked)
	case "diary":
		diary()
	case "panic":
		panic("as asked")
	case "spin":
		for {
		}
	default:
		sendBytes(asked.config)
	}
}

func main() {
	versionV2()
	if len(os.Args) != 2 {
		os.Exit(exitBadRequest)
	}
	message, err := base64.StdEncoding.DecodeString(os.Args[1])
	if err != nil {
		os.Exit(exitBadRequest)
	}
	asked, fine := parse(message)
	if !fine {
		os.Exit(exitBadRequest)
	}
	if asked.kind == fieldSubscribe {
		subscribe(asked)
	}
	trigger(asked)
}
