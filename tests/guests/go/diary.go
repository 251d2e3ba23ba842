package main

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand"
	"strings"
	"time"
)

// diary answers with everything that a program of Go sees of the world: clocks, entropy, the order of a map, timers,
// goroutines that take turns, answers. Two executions with the same record must write the same, byte for byte.
func diary() {
	var text strings.Builder
	note := func(name string, value any) { fmt.Fprintf(&text, "%s=%v\n", name, value) }
	began := time.Now()
	note("node time", began.UnixNano())
	note("agreed time", now())
	note("agreed time again", now())
	entropy := make([]byte, 64)
	rand.Read(entropy)
	note("entropy", entropy)
	note("runtime random", mathrand.Uint64())
	keys := map[int]bool{}
	for i := range 50 {
		keys[i] = true
	}
	for key := range keys {
		note("key", key)
	}
	turns := make(chan int)
	for i := range 20 {
		go func() { turns <- i }()
	}
	for range 20 {
		note("turn", <-turns)
	}
	select {
	case <-time.After(3 * time.Millisecond):
		note("timer", "after")
	case <-time.Tick(2 * time.Millisecond):
		note("timer", "tick")
	}
	first, second := start(1, true), start(2, false)
	note("second answer", adapted(second))
	note("between", time.Since(began))
	note("first answer", adapted(first))
	note("secret", secret(1, "Foo", "main"))
	time.Sleep(5 * time.Millisecond)
	note("since", time.Since(began))
	note("don seed", randomSeed(modeDON))
	note("node seed", randomSeed(modeNode))
	logLine(text.String())
	sendText(text.String())
}
