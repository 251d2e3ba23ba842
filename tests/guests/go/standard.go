package main

import (
	"math/rand"
	"strconv"
	"strings"
	"time"
)

// The standard tests of the guest contract, by the names that the C guests have.
var standard = map[string]func(request){
	"errors":            func(request) { fail("workflow execution failure") },
	"capability-errors": capabilityErrors,
	"async-calls":       asyncCalls,
	"big-answer":        bigAnswer,
	"mode-switch":       modeSwitch,
	"node-in-don":       nodeInDON,
	"don-in-node":       donInNode,
	"logging":           func(asked request) { logLine("log from wasm!"); sendBytes(asked.config) },
	"multi-trigger":     multiTrigger,
	"random":            random,
	"secrets-in-node":   donInNode,
	"secrets":           func(request) { sendText(secret(1, "Foo", "main")) },
	"time":              func(request) { sendText(time.Unix(0, now()).UTC().Format(time.RFC3339)) },
	"restrictions":      restrictions,
	"duplicate-call":    duplicateCall,
}

const (
	median           = 1
	identical        = 2
	performAction    = "PerformAction"
	outsideNodeMode  = "cannot use NodeRuntime outside RunInNodeMode"
	insideNodeMode   = "cannot use Runtime inside RunInNodeMode"
	capabilityErrorN = 19
)

var codes = strings.Fields(`Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied
	ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated
	ConsensusFailed LimitExceeded InsufficientObservations`)

func inputThing(on bool) []byte {
	if on {
		return putUint(nil, 1, 1)
	}
	return nil
}

func start(id int32, on bool) int32 {
	return call(id, actionID, performAction, "capabilities.internal.basicaction.v1.Inputs", inputThing(on))
}

func adapted(id int32) string {
	return string(lastBytes(payload(await(id, answerBytesMax)), 1))
}

// nodeAction checks what an SDK checks: the host does not know who may use what.
func nodeAction() int64 {
	if mode != modeNode {
		fail(outsideNodeMode)
	}
	id := call(-1, nodeActionID, performAction, "capabilities.internal.nodeaction.v1.NodeInputs", inputThing(true))
	output, _ := last(payload(await(id, answerBytesMax)), 1)
	return int64(output.value)
}

func consensus(id int32, inputs []byte) []byte {
	return await(call(id, consensusID, "Simple", "sdk.v1alpha.SimpleConsensusInputs", inputs), answerBytesMax)
}

// outputThing is {"OutputThing": number} as a value.
func outputThing(number int64) []byte {
	value := putUint(nil, 7, uint64(number))
	return putBytes(nil, 4, putBytes(nil, 1, putBytes(putBytes(nil, 1, []byte("OutputThing")), 2, value)))
}

func capabilityErrors(request) {
	for i, code := range codes[:capabilityErrorN] {
		problem, failed := last(await(start(int32(i+1), true), answerBytesMax), 2)
		if !failed {
			fail("a call succeeded that had to fail")
		}
		if parts := strings.SplitN(string(problem.bytes), ":", 4); len(parts) != 4 || parts[0] != "Public" ||
			parts[1] != "System" || parts[2] != code || parts[3] != code+" error" {
			fail(code + " expected, this came: " + string(problem.bytes))
		}
	}
	sendText(adapted(start(capabilityErrorN+1, true)))
}

func asyncCalls(request) {
	first, second := start(1, true), start(2, false)
	behind := adapted(second)
	sendText(adapted(first) + behind)
}

func bigAnswer(asked request) {
	sendBytes(payload(await(start(1, true), int32(asked.responseBytesMax))))
}

func modeSwitch(request) {
	before := now()
	text := adapted(start(1, true))
	switchTo(modeNode)
	now()
	observed := nodeAction()
	switchTo(modeDON)
	if now() < before {
		fail("DON time went back")
	}
	inputs := putBytes(nil, 1, outputThing(observed))
	described := putBytes(putBytes(nil, 1, []byte("OutputThing")), 2, putUint(nil, 1, median))
	inputs = putBytes(inputs, 3, putBytes(nil, 2, putBytes(nil, 1, described)))
	inputs = putBytes(inputs, 4, outputThing(123))
	agreed := lastBytes(lastBytes(lastBytes(payload(consensus(2, inputs)), 4), 1), 2)
	number, _ := last(agreed, 7)
	sendText(text + strconv.FormatInt(int64(number.value), 10))
}

func nodeInDON(request) {
	switchTo(modeNode)
	switchTo(modeDON)
	inputs := putBytes(nil, 1, putBytes(nil, 1, []byte("hi")))
	payload(consensus(1, putBytes(inputs, 3, putUint(nil, 1, identical))))
	sendText(strconv.FormatInt(nodeAction(), 10))
}

func donInNode(request) {
	switchTo(modeNode)
	// An SDK refuses calls and secrets here without asking the host.
	switchTo(modeDON)
	inputs := putBytes(nil, 2, []byte(insideNodeMode))
	consensus(1, putBytes(inputs, 3, putUint(nil, 1, identical)))
	fail(insideNodeMode)
}

func multiTrigger(asked request) {
	sendText("called " + strconv.FormatUint(asked.index, 10) + " with " + string(lastBytes(asked.payload, 1)))
}

func random(request) {
	don := rand.New(rand.NewSource(randomSeed(modeDON)))
	total := don.Uint64()
	switchTo(modeNode)
	observed := nodeAction()
	if observed < 100 {
		logLine("***" + strconv.FormatUint(rand.New(rand.NewSource(randomSeed(modeNode))).Uint64(), 10))
	}
	switchTo(modeDON)
	inputs := putBytes(nil, 1, outputThing(observed))
	payload(consensus(1, putBytes(inputs, 3, putUint(nil, 1, median))))
	total += don.Uint64()
	send(putBytes(nil, 1, putUint(nil, 12, total)))
}

func restrictions(asked request) {
	if asked.kind == fieldPreHook {
		send(putBytes(nil, 4, putBytes(nil, 2, nil)))
	}
	sendText(adapted(start(1, true)))
}

func duplicateCall(request) {
	start(7, true)
	secret(7, "Foo", "main") // another name space: no clash
	start(7, true)
}
