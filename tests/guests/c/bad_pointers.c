/* Every import with pointers outside memory. The answer is one line per call: what, and what came back.
 *
 * The buffers for error text are good, so that the reasons can be told; hostile.c has the case where they are not.
 */
#include "calls.h"
#include "text.h"

#define WASI(name) CRE_IMPORT("wasi_snapshot_preview1", name)
WASI("args_get") int32_t bad_args_get(int32_t argv, int32_t buffer);
WASI("args_sizes_get") int32_t bad_args_sizes_get(int32_t count, int32_t bytes);
WASI("environ_get") int32_t bad_environ_get(int32_t environ, int32_t buffer);
WASI("environ_sizes_get") int32_t bad_environ_sizes_get(int32_t count, int32_t bytes);
WASI("clock_time_get") int32_t bad_clock_time_get(int32_t id, int64_t precision, int32_t out);
WASI("clock_res_get") int32_t bad_clock_res_get(int32_t id, int32_t out);
WASI("random_get") int32_t bad_random_get(int32_t ptr, int32_t len);
WASI("fd_write") int32_t bad_fd_write(int32_t fd, int32_t iovs, int32_t count, int32_t written);
WASI("fd_read") int32_t bad_fd_read(int32_t fd, int32_t iovs, int32_t count, int32_t read);
WASI("fd_fdstat_get") int32_t bad_fd_fdstat_get(int32_t fd, int32_t out);
WASI("fd_filestat_get") int32_t bad_fd_filestat_get(int32_t fd, int32_t out);
WASI("poll_oneoff") int32_t bad_poll_oneoff(int32_t in, int32_t out, int32_t count, int32_t happened);

static pb_writer answer;
static uint8_t error[256];

static void line(pb_bytes what, int64_t result) {
    pb_put_bytes(&answer, what);
    pb_put(&answer, '=');
    text_put_signed(&answer, result);
    pb_put(&answer, '\n');
}

/* A failure's number is the length of its text, so the text stands in its place. */
static void reason(pb_bytes what, int64_t result) {
    if (result >= 0) {
        line(what, result);
        return;
    }
    pb_put_bytes(&answer, what);
    pb_put(&answer, ':');
    pb_put_bytes(&answer, cre_error_text(result, error, sizeof error));
    pb_put(&answer, '\n');
}

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static void trigger(const cre_request *request) {
    (void)request;
    answer = cre_writer(16384);
    cre_alloc(65536); /* what the last answer will need; memory must not grow under `end` */
    cre_free_at -= 65536;
    int32_t end = (int32_t)(__builtin_wasm_memory_size(0) * 65536);
    void *const beyond = (void *)(size_t)end;
    void *const negative = (void *)(size_t)-4;
    void *const low = (void *)100;

    line(PB_TEXT("send_response beyond"), env_send_response(beyond, 1));
    line(PB_TEXT("send_response negative pointer"), env_send_response(negative, 1));
    line(PB_TEXT("send_response negative length"), env_send_response(low, -1));
    line(PB_TEXT("send_response sum above 2^31"), env_send_response(low, 2147483547));
    line(PB_TEXT("now beyond"), env_now(beyond));
    line(PB_TEXT("now negative"), env_now(negative));
    line(PB_TEXT("emit_metric beyond"), env_emit_metric(beyond, 4));
    cre_switch(MODE_DON);
    env_log(beyond, 4);
    env_log(negative, 4);
    env_log(low, -1);
    reason(PB_TEXT("await_capabilities beyond"), env_await_capabilities(beyond, 4, error, sizeof error));
    reason(PB_TEXT("await_capabilities negative length"), env_await_capabilities(low, -1, error, sizeof error));
    reason(PB_TEXT("await_secrets beyond"), env_await_secrets(beyond, 4, error, sizeof error));
    reason(PB_TEXT("get_secrets beyond"), env_get_secrets(beyond, 4, error, sizeof error));
    reason(PB_TEXT("get_secrets sum above 2^31"), env_get_secrets(low, 2147483547, error, sizeof error));
#ifdef CRE_CALL_V2
    reason(PB_TEXT("call_capability beyond"), env_call_capability(beyond, 4, error, sizeof error));
    reason(PB_TEXT("call_capability negative length"), env_call_capability(low, -1, error, sizeof error));
#endif

    line(PB_TEXT("args_get"), bad_args_get(end, end));
    line(PB_TEXT("args_sizes_get"), bad_args_sizes_get(end - 2, end));
    line(PB_TEXT("environ_sizes_get"), bad_environ_sizes_get(end, end));
    line(PB_TEXT("clock_time_get near the end"), bad_clock_time_get(0, 1, end - 4));
    line(PB_TEXT("clock_time_get negative"), bad_clock_time_get(1, 1, -8));
    line(PB_TEXT("clock_res_get"), bad_clock_res_get(0, end));
    line(PB_TEXT("random_get beyond"), bad_random_get(end - 1, 2));
    line(PB_TEXT("random_get negative length"), bad_random_get(1024, -1));
    line(PB_TEXT("fd_write vectors"), bad_fd_write(1, end, 1, 1024));
    line(PB_TEXT("fd_write result"), bad_fd_write(1, 1024, 0, end));
    line(PB_TEXT("fd_read result"), bad_fd_read(0, 1024, 0, end));
    line(PB_TEXT("fd_fdstat_get"), bad_fd_fdstat_get(1, end - 8));
    line(PB_TEXT("fd_filestat_get"), bad_fd_filestat_get(1, end - 8));
    line(PB_TEXT("poll_oneoff subscriptions"), bad_poll_oneoff(end - 8, 1024, 1, 1024));
    line(PB_TEXT("poll_oneoff too many"), bad_poll_oneoff(1024, 1024, 129, 1024));
    line(PB_TEXT("poll_oneoff none"), bad_poll_oneoff(1024, 1024, 0, 1024));
    cre_send_string(pb_written(&answer));
}
