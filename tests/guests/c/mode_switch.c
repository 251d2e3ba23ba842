/* Standard tests 6 and 11: work in node mode passes through consensus.
 *
 * -DNODE_IN_DON uses the node action outside node mode; -DDON_IN_NODE wants inside node mode what only DON mode has.
 */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

#if defined(NODE_IN_DON)
static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_NODE);
    cre_switch(MODE_DON);
    pb_writer inputs = cre_writer(64);
    size_t value = pb_open(&inputs, 1);
    pb_bytes_field(&inputs, 1, PB_TEXT("hi"));
    pb_close(&inputs, value);
    size_t descriptors = pb_open(&inputs, 3);
    pb_uint(&inputs, 1, IDENTICAL);
    pb_close(&inputs, descriptors);
    cre_answer answer = consensus(1, &inputs);
    if (answer.failed) cre_fail(answer.content);
    cre_send_bytes((pb_bytes){inputs.buffer, (size_t)node_action(-1)});
}
#elif defined(DON_IN_NODE)
static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_NODE);
    /* An SDK refuses calls and secrets here without asking the host. */
    cre_switch(MODE_DON);
    fail_through_consensus(1, INSIDE_NODE_MODE);
}
#else
static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    uint64_t before = cre_now();
    start_action(1, true);
    pb_bytes text = finish_action(1);

    cre_switch(MODE_NODE);
    cre_now();
    int32_t observed = node_action(-1);
    cre_switch(MODE_DON);

    if (cre_now() < before) cre_fail(PB_TEXT("DON time went back"));
    pb_writer inputs = cre_writer(256);
    put_output_thing(&inputs, 1, observed);
    size_t descriptors = pb_open(&inputs, 3);
    size_t fields = pb_open(&inputs, 2);
    size_t entry = pb_open(&inputs, 1);
    pb_bytes_field(&inputs, 1, PB_TEXT("OutputThing"));
    size_t descriptor = pb_open(&inputs, 2);
    pb_uint(&inputs, 1, MEDIAN);
    pb_close(&inputs, descriptor);
    pb_close(&inputs, entry);
    pb_close(&inputs, fields);
    pb_close(&inputs, descriptors);
    put_output_thing(&inputs, 4, 123);
    cre_answer answer = consensus(2, &inputs);
    if (answer.failed) cre_fail(answer.content);

    pb_bytes agreed = pb_find_bytes(pb_find_bytes(pb_find_bytes(answer.content, 4), 1), 2);
    pb_writer both = cre_writer(text.len + 32);
    pb_put_bytes(&both, text);
    text_put_signed(&both, (int64_t)pb_find_uint(agreed, 7));
    cre_send_string(pb_written(&both));
}
#endif
