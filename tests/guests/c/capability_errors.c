/* Standard test 3: 19 calls fail with each code in turn, and the guest can tell; the 20th succeeds. */
#include "standard.h"

static const char *const codes[] = {
    "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
    "DataLoss", "Unauthenticated", "ConsensusFailed", "LimitExceeded", "InsufficientObservations",
};

enum { CODES = sizeof codes / sizeof codes[0] };

/* The text up to the next colon, which `rest` then has behind it. */
static pb_bytes part(pb_bytes *rest) {
    size_t at = 0;
    while (at < rest->len && rest->ptr[at] != ':') at++;
    pb_bytes found = {rest->ptr, at};
    size_t skip = at < rest->len ? at + 1 : at;
    *rest = (pb_bytes){rest->ptr + skip, rest->len - skip};
    return found;
}

static void check(pb_bytes text, const char *code) {
    size_t len = 0;
    while (code[len] != 0) len++;
    pb_bytes name = {(const uint8_t *)code, len};
    pb_writer message = cre_writer(len + 8);
    pb_put_bytes(&message, name);
    pb_put_bytes(&message, PB_TEXT(" error"));
    pb_bytes rest = text;
    bool same = pb_equal(part(&rest), PB_TEXT("Public")) && pb_equal(part(&rest), PB_TEXT("System"));
    if (same && pb_equal(part(&rest), name) && pb_equal(rest, pb_written(&message))) return;
    pb_writer complaint = cre_writer(text.len + 64);
    pb_put_bytes(&complaint, name);
    pb_put_bytes(&complaint, PB_TEXT(" expected, this came: "));
    pb_put_bytes(&complaint, text);
    cre_fail(pb_written(&complaint));
}

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    for (int32_t i = 0; i < CODES; i++) {
        start_action(i, true);
        cre_answer answer = cre_await(i, ANSWER_BYTES_MAX);
        if (!answer.failed) cre_fail(PB_TEXT("a call succeeded that had to fail"));
        check(answer.content, codes[i]);
    }
    start_action(CODES, true);
    cre_send_string(finish_action(CODES));
}
