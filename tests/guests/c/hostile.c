/* Guests that break something, one at a time: -DBEHAVIOUR=loop and so on.
 *
 * Each subscribes politely and misbehaves in its trigger; -DAT_SUBSCRIBE misbehaves already there.
 */
#define CRE_OWN_START
#include "calls.h"
#include "text.h"

CRE_IMPORT("wasi_snapshot_preview1", "poll_oneoff")
int32_t wasi_poll_oneoff(const void *subscriptions, void *events, int32_t count, int32_t *happened);
CRE_IMPORT("wasi_snapshot_preview1", "random_get")
int32_t wasi_random_get(void *buffer, int32_t size);
CRE_IMPORT("wasi_snapshot_preview1", "clock_time_get")
int32_t wasi_clock_time_get(int32_t clock, int64_t precision, uint64_t *now);

static volatile uint32_t sink;

/* Never ends, and never calls the host. */
static void loop(const cre_request *request) {
    (void)request;
    for (;;) sink++;
}

/* Never ends, and calls the host all the time, whatever it says. */
static void busy_host(const cre_request *request) {
    uint64_t time = 0;
    (void)request;
    cre_switch(MODE_DON);
    for (;;) sink += (uint32_t)env_now(&time);
}

/* Reads its own clock without end. */
static void clock_storm(const cre_request *request) {
    uint64_t time = 0;
    (void)request;
    for (;;) sink += (uint32_t)wasi_clock_time_get(1, 0, &time);
}

/* Wants as much entropy as its memory holds, without end. */
static void random_storm(const cre_request *request) {
    enum { BIG = 64000000 };
    uint8_t *big = cre_alloc(BIG);
    (void)request;
    for (;;) sink += (uint32_t)wasi_random_get(big, BIG);
}

/* Polls as many subscriptions as it may, none of which sleeps, without end. */
static void poll_storm(const cre_request *request) {
    enum { MOST = 128 };
    uint8_t *subscriptions = cre_alloc(48 * MOST);
    uint8_t *events = cre_alloc(32 * MOST);
    int32_t happened = 0;
    (void)request;
    for (int i = 0; i < MOST; i++) subscriptions[48 * i + 8] = 1;
    for (;;) sink += (uint32_t)wasi_poll_oneoff(subscriptions, events, MOST, &happened);
}

/* Sleeps a nanosecond, without end. */
static void nap_storm(const cre_request *request) {
    uint8_t subscription[48] = {0};
    uint8_t event[32];
    int32_t happened = 0;
    (void)request;
    subscription[24] = 1;
    for (;;) sink += (uint32_t)wasi_poll_oneoff(subscription, event, 1, &happened);
}

/* Says that its answer has a gigabyte; the answer that it gave before stands. */
static void gigabyte_answer(const cre_request *request) {
    cre_send_bytes(request->config);
    for (int i = 0; i < 1000; i++) sink += (uint32_t)env_send_response(request, 1 << 30);
    wasi_proc_exit(sink == 21 * 1000 ? 0 : 1);
}

static void trap(const cre_request *request) {
    (void)request;
    __builtin_trap();
}

/* Takes memory until there is none, as a program that leaks would, and traps then. */
static void memory_bomb(const cre_request *request) {
    (void)request;
    for (;;) *cre_alloc(1 << 20) = 1;
}

/* Takes memory until there is none, and says how many pages it has got. */
static void memory_pages(const cre_request *request) {
    (void)request;
    pb_writer text = cre_writer(32);
    while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) sink++;
    text_put_decimal(&text, __builtin_wasm_memory_size(0));
    cre_send_string(pb_written(&text));
}

/* Exits with 0 and no answer. */
static void silent(const cre_request *request) {
    (void)request;
    wasi_proc_exit(0);
}

/* Answers, and exits with 3. */
static void exit_3(const cre_request *request) {
    cre_send_bytes(request->config);
    wasi_proc_exit(3);
}

static const uint8_t no_message[] = {0x0a, 0xff, 0xff, 0xff, 0xff};

/* Answers with bytes that are no message, and ignores that the host says so. */
static void garbage(const cre_request *request) {
    (void)request;
    env_send_response(no_message, sizeof no_message);
}

/* Answers well, then with bytes that are no message: the good answer stands. */
static void garbage_after(const cre_request *request) {
    cre_send_bytes(request->config);
    if (env_send_response(no_message, sizeof no_message) != 21) __builtin_trap();
}

/* Answers twice: the second counts. */
static void twice(const cre_request *request) {
    cre_send_string(PB_TEXT("first"));
    cre_send_bytes(request->config);
}

/* Answers with an ExecutionResult that holds nothing. */
static void nothing(const cre_request *request) {
    (void)request;
    if (env_send_response(no_message, 0) != 0) __builtin_trap();
}

/* Answers a trigger with a list of triggers, and subscribe with a value. */
static void wrong_kind(const cre_request *request) {
    if (request->kind == CRE_TRIGGER) cre_subscribe_http();
    else cre_send_bytes(request->config);
}

/* Answers subscribe with more triggers than a workflow may have. */
static void many_triggers(const cre_request *request) {
    (void)request;
    pb_writer w = cre_writer(65536);
    size_t list = pb_open(&w, 3);
    for (int i = 0; i < 100; i++) cre_subscription(&w, HTTP_TRIGGER, HTTP_CONFIG, PB_TEXT(""));
    pb_close(&w, list);
    cre_send(&w);
}

/* Fails subscribe with a reason. */
static void refuses(const cre_request *request) {
    (void)request;
    cre_fail(PB_TEXT("this workflow does not want to start"));
}

/* Answers with as many bytes as the config says, or with one more than the host takes. */
static void too_much(const cre_request *request) {
    size_t wanted = (size_t)text_decimal(request->config);
    size_t size = wanted != 0 ? wanted : request->response_bytes_max + 1;
    pb_writer filler = cre_writer(size);
    for (size_t i = 0; i < size; i++) pb_put(&filler, 'x');
    cre_send_bytes(pb_written(&filler));
}

/* One log line of 2 MB, then more lines than anybody reads. */
static void log_flood(const cre_request *request) {
    enum { BIG = 2000000, LINES = 20000 };
    uint8_t *big = cre_alloc(BIG);
    for (int i = 0; i < BIG; i++) big[i] = 'x';
    cre_switch(MODE_DON);
    cre_log((pb_bytes){big, BIG});
    for (int i = 0; i < LINES; i++) cre_log(PB_TEXT("again"));
    cre_send_bytes(request->config);
}

static __attribute__((noinline)) uint32_t deeper(uint32_t depth) {
    sink = depth;
    if (depth == UINT32_MAX) return 0; /* out of reach, but the compiler wants an end */
    uint32_t below = deeper(depth + 1);
    return below + sink; /* not the last thing, so that no compiler makes a loop of it */
}

/* Calls itself without end. */
static void recursion(const cre_request *request) {
    (void)request;
    sink = deeper(0);
}

static int32_t sleep(uint64_t nanoseconds) {
    uint8_t subscription[48] = {0};
    uint8_t event[32];
    int32_t happened = 0;
    for (int i = 0; i < 8; i++) subscription[24 + i] = (uint8_t)(nanoseconds >> (8 * i));
    return wasi_poll_oneoff(subscription, event, 1, &happened);
}

/* Sleeps for as many nanoseconds as the config says, or for an hour; answers how poll_oneoff ended. */
static void sleep_long(const cre_request *request) {
    uint64_t wanted = text_decimal(request->config);
    pb_writer text = cre_writer(16);
    text_put_decimal(&text, (uint32_t)sleep(wanted != 0 ? wanted : 3600000000000));
    cre_send_string(pb_written(&text));
}

/* Sleeps again whenever it is woken. */
static void sleep_forever(const cre_request *request) {
    (void)request;
    for (;;) sleep(3600000000000);
}

/* Starts calls and leaves without waiting for them. */
static void leaves_calls(const cre_request *request) {
    cre_switch(MODE_DON);
    pb_bytes type = PB_TEXT("type.googleapis.com/capabilities.internal.basicaction.v1.Inputs");
    for (int32_t i = 0; i < 3; i++) cre_call(i, PB_TEXT("basic-test-action@1.0.0"), PB_TEXT("PerformAction"), type, PB_TEXT(""));
    cre_send_bytes(request->config);
}

/* Starts ten thousand calls and waits for none of them; the host makes it wait inside the import. */
static void pending_calls(const cre_request *request) {
    cre_switch(MODE_DON);
    pb_bytes type = PB_TEXT("type.googleapis.com/capabilities.internal.basicaction.v1.Inputs");
    for (int32_t i = 0; i < 10000; i++) {
        cre_call(i, PB_TEXT("basic-test-action@1.0.0"), PB_TEXT("PerformAction"), type, PB_TEXT(""));
    }
    cre_send_bytes(request->config);
}

/* Uses one id ten thousand times, whatever the host says. */
static void same_call(const cre_request *request) {
    static const uint8_t call[] = {0x0a, 0x01, 'x', 0x20, 0x07};
    uint8_t error[64];
    uint32_t refused = 0;
    for (int32_t i = 0; i < 10000; i++) {
        for (size_t at = 0; at < sizeof call; at++) error[at] = call[at];
        refused += env_call_capability(error, sizeof call) < 0;
    }
    if (refused != 9999) wasi_proc_exit(1);
    cre_send_bytes(request->config);
}

/* Waits for one call, whose answer is larger than all that it may hold. */
static void huge_answer(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    pb_bytes type = PB_TEXT("type.googleapis.com/capabilities.internal.basicaction.v1.Inputs");
    cre_call(1, PB_TEXT("basic-test-action@1.0.0"), PB_TEXT("PerformAction"), type, PB_TEXT(""));
    cre_send_bytes(cre_await_payload(1, 65536));
}

/* Waits for a call that it never made. */
static void waits_for_nothing(const cre_request *request) {
    (void)request;
    cre_await(99, 1024);
}

/* A failure with not one byte of room for its reason: neither 0 nor a size may come back. */
static void no_room(const cre_request *request) {
    uint8_t room = 0;
    (void)request;
    int64_t result = env_await_capabilities(no_message, sizeof no_message, &room, 0);
    cre_send_string(result < 0 ? PB_TEXT("a failure") : PB_TEXT("a failure that reads as success"));
    wasi_proc_exit(0);
}

/* Ends by returning instead of exiting; the answer counts all the same. */
static bool returning;

static void returns(const cre_request *request) {
    cre_send_bytes(request->config);
    returning = true;
}

static void returns_silently(const cre_request *request) {
    (void)request;
    returning = true;
}

static void subscribe(const cre_request *request) {
#ifdef AT_SUBSCRIBE
    BEHAVIOUR(request);
#else
    (void)request;
    cre_subscribe_http();
#endif
}

static void trigger(const cre_request *request) {
    BEHAVIOUR(request);
}

__attribute__((export_name("_start"))) void _start(void) {
    cre_request request;
    env_version_v2();
    cre_receive(&request);
    if (request.kind == CRE_SUBSCRIBE) subscribe(&request);
    else trigger(&request);
    if (!returning) wasi_proc_exit(0);
}
