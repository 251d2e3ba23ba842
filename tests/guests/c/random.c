/* Standard test 9: randomness in DON mode depends on the execution id alone, whatever happens in node mode. */
#include "standard.h"

/* SplitMix64. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    uint64_t don = (uint64_t)env_random_seed(MODE_DON);
    uint64_t total = draw(&don);

    cre_switch(MODE_NODE);
    int32_t observed = node_action(-1);
    if (observed < 100) {
        uint64_t node = (uint64_t)env_random_seed(MODE_NODE);
        pb_writer line = cre_writer(64);
        pb_put_bytes(&line, PB_TEXT("***"));
        text_put_decimal(&line, draw(&node));
        cre_log(pb_written(&line));
    }
    cre_switch(MODE_DON);

    pb_writer inputs = cre_writer(128);
    put_output_thing(&inputs, 1, observed);
    size_t descriptors = pb_open(&inputs, 3);
    pb_uint(&inputs, 1, MEDIAN);
    pb_close(&inputs, descriptors);
    cre_answer answer = consensus(1, &inputs);
    if (answer.failed) cre_fail(answer.content);

    total += draw(&don);
    pb_writer result = cre_writer(32);
    size_t value = pb_open(&result, 1);
    pb_uint(&result, 12, total);
    pb_close(&result, value);
    cre_send(&result);
}
