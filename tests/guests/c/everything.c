/* Everything that a guest may see of the world, in one run: agreed time, both clocks, seeds, randomness, secrets, two
   calls at once, node mode, a sleep and a log. What it asks for depends on it, and its answer is all of it, as text.
   The config is how long it sleeps, in milliseconds. */
#include "standard.h"

CRE_IMPORT("wasi_snapshot_preview1", "clock_time_get")
int32_t clock_time_get(int32_t id, int64_t precision, uint64_t *out);
CRE_IMPORT("wasi_snapshot_preview1", "random_get") int32_t random_get(void *ptr, int32_t len);
CRE_IMPORT("wasi_snapshot_preview1", "poll_oneoff")
int32_t poll_oneoff(const void *in, void *out, int32_t count, uint32_t *happened);

static pb_writer diary;

static void note(pb_bytes what, uint64_t number) {
    size_t from = diary.len;
    pb_put_bytes(&diary, what);
    pb_put(&diary, '=');
    text_put_decimal(&diary, number);
    pb_bytes line = {diary.buffer + from, diary.len - from};
    cre_log(line);
    pb_put(&diary, '\n');
}

static uint64_t clock(int32_t id) {
    uint64_t time = 0;
    clock_time_get(id, 1, &time);
    return time;
}

static void see_clocks(void) {
    note(PB_TEXT("agreed"), cre_now());
    note(PB_TEXT("clock"), clock(0));
    note(PB_TEXT("monotonic"), clock(1));
}

static void sleep_ns(uint64_t duration) {
    static uint8_t in[48], out[32];
    uint32_t happened = 0;
    in[16] = 1; /* the monotonic clock */
    for (int i = 0; i < 8; i++) in[24 + i] = (uint8_t)(duration >> (8 * i));
    poll_oneoff(in, out, 1, &happened);
}

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    diary = cre_writer(4096);
    cre_switch(MODE_DON);
    see_clocks();

    uint64_t drawn = 0;
    random_get(&drawn, sizeof drawn);
    note(PB_TEXT("random"), drawn);
    note(PB_TEXT("seed"), (uint64_t)env_random_seed(MODE_DON));

    start_action(0, drawn % 2 == 0);
    start_action(1, clock(0) / 1000 % 2 == 0);
    pb_put_bytes(&diary, finish_action(1));
    pb_put(&diary, '\n');
    pb_put_bytes(&diary, finish_action(0));
    pb_put(&diary, '\n');
    see_clocks();

    cre_answer secret = cre_secret(2, PB_TEXT("Foo"), PB_TEXT(""));
    pb_put_bytes(&diary, secret.content);
    pb_put(&diary, '\n');
    sleep_ns(text_decimal(request->config) * 1000000);
    see_clocks();

    cre_switch(MODE_NODE);
    note(PB_TEXT("node seed"), (uint64_t)env_random_seed(MODE_NODE));
    note(PB_TEXT("node answer"), (uint64_t)node_action(-1));
    note(PB_TEXT("node clock"), clock(0));
    cre_switch(MODE_DON);

    start_action(3, drawn % 3 == 0);
    pb_put_bytes(&diary, finish_action(3));
    cre_send_string(pb_written(&diary));
}
