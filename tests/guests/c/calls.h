/* Capability calls, secrets, time and logs for guests, on top of cre.h. */
#ifndef STRONGROOM_CALLS_H
#define STRONGROOM_CALLS_H

#include "cre.h"

static int32_t cre_mode;

static inline void cre_switch(int32_t mode) {
    cre_mode = mode;
    env_switch_modes(mode);
}

static inline void cre_log(pb_bytes line) {
    env_log(line.ptr, (int32_t)line.len);
}

/* Unix time in nanoseconds; the run fails if the host has none. */
static inline uint64_t cre_now(void) {
    uint64_t now = 0;
    if (env_now(&now) != 0) cre_fail(PB_TEXT("the host has no time"));
    return now;
}

/* The text that a failed import left in the buffer: minus its result is the length. */
static inline pb_bytes cre_error_text(int64_t result, uint8_t *buffer, size_t max) {
    uint64_t len = (uint64_t)-result;
    return (pb_bytes){buffer, len > max ? max : (size_t)len};
}

/* Starts a call; the run fails with the host's text when it is refused. */
static inline void cre_call(int32_t callback, pb_bytes capability, pb_bytes method, pb_bytes type, pb_bytes payload) {
    size_t max = payload.len + capability.len + method.len + type.len + 1024;
    pb_writer w = cre_writer(max);
    pb_bytes_field(&w, 1, capability);
    size_t any = pb_open(&w, 2);
    pb_bytes_field(&w, 1, type);
    pb_bytes_field(&w, 2, payload);
    pb_close(&w, any);
    pb_bytes_field(&w, 3, method);
    pb_int(&w, 4, callback);
    if (w.bad) wasi_proc_exit(EXIT_BAD_ANSWER);
#ifdef CRE_CALL_V2
    uint8_t *error = cre_alloc(1024);
    int64_t result = env_call_capability(w.buffer, (int32_t)w.len, error, 1024);
    if (result < 0) cre_fail(cre_error_text(result, error, 1024));
#else
    int64_t result = env_call_capability(w.buffer, (int32_t)w.len);
    if (result < 0) cre_fail(cre_error_text(result, w.buffer, w.len));
#endif
    if (result != 0) cre_fail(PB_TEXT("call_capability answered with a size"));
}

/* Waits for one id through `await`; the entry of the answer's map, or the run fails with the host's text. */
static inline pb_bytes cre_await_entry(int64_t (*await)(const void *, int32_t, void *, int32_t), int32_t callback, size_t max) {
    uint8_t request_buffer[32];
    pb_writer w = pb_write(request_buffer, sizeof request_buffer);
    size_t ids = pb_open(&w, 1);
    pb_put_varint(&w, (uint64_t)(int64_t)callback);
    pb_close(&w, ids);
    uint8_t *answer = cre_alloc(max);
    int64_t result = await(w.buffer, (int32_t)w.len, answer, (int32_t)max);
    if (result < 0) cre_fail(cre_error_text(result, answer, max));
    pb_bytes entry = pb_find_bytes((pb_bytes){answer, (size_t)result}, 1);
    if ((int32_t)pb_find_uint(entry, 1) != callback) cre_fail(PB_TEXT("the host answered another call"));
    return pb_find_bytes(entry, 2);
}

/* One answer: `failed` tells whether `content` is the error text or the serialized payload message. */
typedef struct {
    bool failed;
    pb_bytes content;
} cre_answer;

static inline cre_answer cre_await(int32_t callback, size_t max) {
    pb_bytes response = cre_await_entry(env_await_capabilities, callback, max);
    pb_field error;
    if (pb_find(response, 2, PB_LEN, &error)) return (cre_answer){true, error.bytes};
    return (cre_answer){false, pb_find_bytes(pb_find_bytes(response, 1), 2)};
}

/* Awaits a call that must succeed. */
static inline pb_bytes cre_await_payload(int32_t callback, size_t max) {
    cre_answer answer = cre_await(callback, max);
    if (answer.failed) cre_fail(answer.content);
    return answer.content;
}

/* Fetches one secret: its value, or the text of its SecretError. The run fails when the fetch as a whole does. */
static inline cre_answer cre_secret(int32_t callback, pb_bytes id, pb_bytes namespace) {
    pb_writer w = cre_writer(id.len + namespace.len + 64);
    size_t request = pb_open(&w, 1);
    pb_bytes_field(&w, 1, id);
    pb_bytes_field(&w, 2, namespace);
    pb_close(&w, request);
    pb_int(&w, 2, callback);
    uint8_t *error_text = cre_alloc(1024);
    int64_t result = env_get_secrets(w.buffer, (int32_t)w.len, error_text, 1024);
    if (result < 0) cre_fail(cre_error_text(result, error_text, 1024));
    pb_bytes response = pb_find_bytes(cre_await_entry(env_await_secrets, callback, 65536), 1);
    pb_field error;
    if (pb_find(response, 2, PB_LEN, &error)) return (cre_answer){true, pb_find_bytes(error.bytes, 4)};
    return (cre_answer){false, pb_find_bytes(pb_find_bytes(response, 1), 4)};
}

#endif
