/* What a guest needs of its host: the imports of module `env`, the request in argv[1], and answers.
 *
 * A guest defines `subscribe` and `trigger`; `_start` is here. Nothing is ever freed: one instance serves one request.
 * -DCRE_OWN_START leaves `_start` to the guest. -DCRE_LIBC is for a guest with the C library, which brings its own
 * `_start` and calls the guest's `main`.
 * -DCRE_CALL_V2 imports the four-argument form of call_capability instead of the two-argument one.
 */
#ifndef STRONGROOM_CRE_H
#define STRONGROOM_CRE_H

#include "pb.h"

#define CRE_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

CRE_IMPORT("env", "version_v2") void env_version_v2(void);
CRE_IMPORT("env", "send_response") int32_t env_send_response(const void *ptr, int32_t len);
#ifdef CRE_CALL_V2
CRE_IMPORT("env", "call_capability") int64_t env_call_capability(const void *ptr, int32_t len, void *resp, int32_t max);
#else
CRE_IMPORT("env", "call_capability") int64_t env_call_capability(void *ptr, int32_t len);
#endif
CRE_IMPORT("env", "await_capabilities") int64_t env_await_capabilities(const void *ptr, int32_t len, void *resp, int32_t max);
CRE_IMPORT("env", "get_secrets") int64_t env_get_secrets(const void *ptr, int32_t len, void *resp, int32_t max);
CRE_IMPORT("env", "await_secrets") int64_t env_await_secrets(const void *ptr, int32_t len, void *resp, int32_t max);
CRE_IMPORT("env", "log") void env_log(const void *ptr, int32_t len);
CRE_IMPORT("env", "emit_metric") int32_t env_emit_metric(const void *ptr, int32_t len);
CRE_IMPORT("env", "switch_modes") void env_switch_modes(int32_t mode);
CRE_IMPORT("env", "random_seed") int64_t env_random_seed(int32_t mode);
CRE_IMPORT("env", "now") int32_t env_now(void *ptr);

CRE_IMPORT("wasi_snapshot_preview1", "args_sizes_get") int32_t wasi_args_sizes_get(uint32_t *count, uint32_t *bytes);
CRE_IMPORT("wasi_snapshot_preview1", "args_get") int32_t wasi_args_get(uint8_t **argv, uint8_t *buffer);
CRE_IMPORT("wasi_snapshot_preview1", "proc_exit") _Noreturn void wasi_proc_exit(int32_t code);

enum { MODE_DON = 1, MODE_NODE = 2 };

/* Exit codes of section 11 of the contract. */
enum { EXIT_BAD_ANSWER = 110, EXIT_BAD_REQUEST = 111, EXIT_NOT_SENT = 113 };

typedef enum { CRE_SUBSCRIBE = 2, CRE_TRIGGER = 3, CRE_PRE_HOOK = 5 } cre_kind;

typedef struct {
    cre_kind kind;
    pb_bytes config;
    uint64_t trigger_index;
    pb_bytes payload_type; /* type URL of the trigger's payload */
    pb_bytes payload;      /* the serialized payload message */
    size_t response_bytes_max;
} cre_request;

#if !defined(CRE_LIBC) && !defined(CRE_OWN_START)
/* What the guest itself must write. */
static void subscribe(const cre_request *request);
static void trigger(const cre_request *request);
#endif

/* ---- memory: a bump pointer over the linear memory, or the C library's own ---- */

#ifdef CRE_LIBC
#include <stdlib.h>

static inline uint8_t *cre_alloc(size_t size) {
    uint8_t *result = malloc(size + 1);
    if (result == NULL) __builtin_trap();
    return result;
}
#else
extern uint8_t __heap_base;
static uint8_t *cre_free_at;

static inline uint8_t *cre_alloc(size_t size) {
    if (cre_free_at == NULL) cre_free_at = (uint8_t *)(((size_t)&__heap_base + 15) & ~(size_t)15);
    size_t have = __builtin_wasm_memory_size(0) * (size_t)65536 - (size_t)cre_free_at;
    if (size > SIZE_MAX - 65536) __builtin_trap();
    size = (size + 15) & ~(size_t)15;
    if (size > have && __builtin_wasm_memory_grow(0, (size - have + 65535) / 65536) == (size_t)-1) __builtin_trap();
    uint8_t *result = cre_free_at;
    cre_free_at += size;
    return result;
}
#endif

static inline pb_writer cre_writer(size_t max) {
    return pb_write(cre_alloc(max), max);
}

/* ---- answers ---- */

static inline void cre_send(const pb_writer *result) {
    if (result->bad) wasi_proc_exit(EXIT_BAD_ANSWER);
    if (env_send_response(result->buffer, (int32_t)result->len) != 0) wasi_proc_exit(EXIT_NOT_SENT);
}

/* An ExecutionResult whose value is a values.v1.Value with one bytes or string field. */
static inline void cre_send_value(uint32_t value_field, pb_bytes content) {
    pb_writer w = cre_writer(content.len + 32);
    size_t value = pb_open(&w, 1);
    pb_bytes_field(&w, value_field, content);
    pb_close(&w, value);
    cre_send(&w);
}

static inline void cre_send_string(pb_bytes text) {
    cre_send_value(1, text);
}

static inline void cre_send_bytes(pb_bytes bytes) {
    cre_send_value(3, bytes);
}

/* An ExecutionResult that fails the run; the guest ends here. */
static inline _Noreturn void cre_fail(pb_bytes reason) {
    pb_writer w = cre_writer(reason.len + 16);
    pb_bytes_field(&w, 2, reason);
    cre_send(&w);
    wasi_proc_exit(0);
}

/* One TriggerSubscription inside a TriggerSubscriptionRequest. */
static inline void cre_subscription(pb_writer *w, pb_bytes capability, pb_bytes config_type, pb_bytes config) {
    size_t subscription = pb_open(w, 1);
    pb_bytes_field(w, 1, capability);
    size_t any = pb_open(w, 2);
    pb_bytes_field(w, 1, config_type);
    pb_bytes_field(w, 2, config);
    pb_close(w, any);
    pb_bytes_field(w, 3, PB_TEXT("Trigger"));
    pb_close(w, subscription);
}

#define HTTP_TRIGGER PB_TEXT("http-trigger@1.0.0-alpha")
#define HTTP_CONFIG PB_TEXT("type.googleapis.com/capabilities.networking.http.v1alpha.Config")
#define HTTP_PAYLOAD PB_TEXT("type.googleapis.com/capabilities.networking.http.v1alpha.Payload")

/* The answer to subscribe of a guest that is started over HTTP or by hand. */
static inline void cre_subscribe_http(void) {
    pb_writer w = cre_writer(512);
    size_t list = pb_open(&w, 3);
    cre_subscription(&w, HTTP_TRIGGER, HTTP_CONFIG, (pb_bytes){w.buffer, 0});
    pb_close(&w, list);
    cre_send(&w);
}

/* ---- the request ---- */

static inline int cre_base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes in place: three bytes never need more room than their four digits. */
static inline bool cre_base64(uint8_t *text, size_t len, pb_bytes *decoded) {
    size_t out = 0;
    uint32_t bits = 0;
    if (len % 4 != 0) return false;
    size_t padding = len != 0 && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
    for (size_t i = 0; i < len - padding; i++) {
        int digit = cre_base64_digit(text[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0) text[out++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *decoded = (pb_bytes){text, out};
    return true;
}

static inline bool cre_parse(pb_bytes message, cre_request *request) {
    pb_reader r = pb_read(message);
    pb_field field;
    *request = (cre_request){0};
    request->config = (pb_bytes){message.ptr, 0};
    while (pb_next(&r, &field)) {
        if (field.number == 1) request->config = field.bytes;
        if (field.number == 4) request->response_bytes_max = (size_t)field.value;
        if (field.number == CRE_SUBSCRIBE || field.number == CRE_TRIGGER || field.number == CRE_PRE_HOOK) {
            pb_bytes any = pb_find_bytes(field.bytes, 2);
            request->kind = (cre_kind)field.number;
            request->trigger_index = pb_find_uint(field.bytes, 1);
            request->payload_type = pb_find_bytes(any, 1);
            request->payload = pb_find_bytes(any, 2);
        }
    }
    return !r.bad && request->kind != 0;
}

/* argv is [name, standard base64 of the ExecuteRequest]. */
static inline void cre_receive(cre_request *request) {
    uint32_t count = 0;
    uint32_t bytes = 0;
    pb_bytes message;
    if (wasi_args_sizes_get(&count, &bytes) != 0 || count != 2) wasi_proc_exit(EXIT_BAD_REQUEST);
    uint8_t **argv = (uint8_t **)(void *)cre_alloc(count * sizeof(uint8_t *));
    if (wasi_args_get(argv, cre_alloc(bytes)) != 0) wasi_proc_exit(EXIT_BAD_REQUEST);
    size_t len = 0;
    while (argv[1][len] != 0) len++;
    if (!cre_base64(argv[1], len, &message) || !cre_parse(message, request)) wasi_proc_exit(EXIT_BAD_REQUEST);
}

#if !defined(CRE_LIBC) && !defined(CRE_OWN_START)
__attribute__((export_name("_start"))) void _start(void) {
    cre_request request;
    env_version_v2();
    cre_receive(&request);
    if (request.kind == CRE_SUBSCRIBE) subscribe(&request);
    else trigger(&request);
    wasi_proc_exit(0);
}
#endif

#endif
