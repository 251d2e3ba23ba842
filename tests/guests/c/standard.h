/* The test capabilities and consensus, for the guests of the standard tests. */
#ifndef STRONGROOM_STANDARD_H
#define STRONGROOM_STANDARD_H

#include "calls.h"
#include "text.h"

#define INTERNAL(name) PB_TEXT("type.googleapis.com/capabilities.internal." name)
#define ACTION PB_TEXT("basic-test-action@1.0.0")
#define NODE_ACTION PB_TEXT("basic-test-node-action@1.0.0")
#define BASIC_TRIGGER PB_TEXT("basic-test-trigger@1.0.0")
#define ACTION_TRIGGER PB_TEXT("basic-test-action-trigger@1.0.0")
#define CONSENSUS PB_TEXT("consensus@1.0.0-alpha")
#define PERFORM_ACTION PB_TEXT("PerformAction")
#define OUTSIDE_NODE_MODE PB_TEXT("cannot use NodeRuntime outside RunInNodeMode")
#define INSIDE_NODE_MODE PB_TEXT("cannot use Runtime inside RunInNodeMode")

enum { ANSWER_BYTES_MAX = 65536, MEDIAN = 1, IDENTICAL = 2 };

/* A trigger's Config message {name, number}. */
static inline pb_writer trigger_config(pb_bytes name, uint64_t number) {
    pb_writer config = cre_writer(name.len + 32);
    pb_bytes_field(&config, 1, name);
    pb_uint(&config, 2, number);
    return config;
}

static inline void put_trigger(pb_writer *list, pb_bytes capability, pb_bytes type, pb_bytes name, uint64_t number) {
    pb_writer config = trigger_config(name, number);
    cre_subscription(list, capability, type, pb_written(&config));
}

/* One basic trigger, which is all that most of these guests need. */
static inline void subscribe_basic(void) {
    pb_writer w = cre_writer(512);
    size_t list = pb_open(&w, 3);
    put_trigger(&w, BASIC_TRIGGER, INTERNAL("basictrigger.v1.Config"), PB_TEXT("first-trigger"), 100);
    pb_close(&w, list);
    cre_send(&w);
}

static inline pb_bytes input_thing(bool on) {
    static const uint8_t encoded[] = {0x08, 0x01};
    return (pb_bytes){encoded, on ? sizeof encoded : 0};
}

static inline void start_action(int32_t callback, bool on) {
    cre_call(callback, ACTION, PERFORM_ACTION, INTERNAL("basicaction.v1.Inputs"), input_thing(on));
}

/* adapted_thing of the answer. */
static inline pb_bytes finish_action(int32_t callback) {
    return pb_find_bytes(cre_await_payload(callback, ANSWER_BYTES_MAX), 1);
}

/* Output of the node action. What an SDK checks, the guest checks: the host does not know who may use what. */
static inline int32_t node_action(int32_t callback) {
    if (cre_mode != MODE_NODE) cre_fail(OUTSIDE_NODE_MODE);
    cre_call(callback, NODE_ACTION, PERFORM_ACTION, INTERNAL("nodeaction.v1.NodeInputs"), input_thing(true));
    return (int32_t)pb_find_uint(cre_await_payload(callback, ANSWER_BYTES_MAX), 1);
}

/* {"OutputThing": number} as a values.v1.Value in field `number_of_field`. */
static inline void put_output_thing(pb_writer *w, uint32_t number_of_field, int64_t number) {
    size_t value = pb_open(w, number_of_field);
    size_t map = pb_open(w, 4);
    size_t entry = pb_open(w, 1);
    pb_bytes_field(w, 1, PB_TEXT("OutputThing"));
    size_t inner = pb_open(w, 2);
    pb_int(w, 7, number);
    pb_close(w, inner);
    pb_close(w, entry);
    pb_close(w, map);
    pb_close(w, value);
}

static inline cre_answer consensus(int32_t callback, const pb_writer *inputs) {
    pb_bytes type = PB_TEXT("type.googleapis.com/sdk.v1alpha.SimpleConsensusInputs");
    cre_call(callback, CONSENSUS, PB_TEXT("Simple"), type, pb_written(inputs));
    return cre_await(callback, ANSWER_BYTES_MAX);
}

/* An error observed in node mode goes through consensus; then it fails the run. */
static inline _Noreturn void fail_through_consensus(int32_t callback, pb_bytes reason) {
    pb_writer inputs = cre_writer(reason.len + 64);
    pb_bytes_field(&inputs, 2, reason);
    size_t descriptors = pb_open(&inputs, 3);
    pb_uint(&inputs, 1, IDENTICAL);
    pb_close(&inputs, descriptors);
    consensus(callback, &inputs);
    cre_fail(reason);
}

#endif
