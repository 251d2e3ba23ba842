/* Standard test 10: the value of one secret, or the text of its error. It leaves the namespace to the host.
 *
 * -DIN_NODE_MODE is standard test 11: what an SDK refuses there, this guest refuses without asking the host.
 */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
#ifdef AT_SUBSCRIBE
    cre_secret(0, PB_TEXT("Foo"), PB_TEXT(""));
#endif
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
#ifdef IN_NODE_MODE
    cre_switch(MODE_NODE);
    cre_switch(MODE_DON);
    fail_through_consensus(1, INSIDE_NODE_MODE);
#endif
    cre_answer secret = cre_secret(0, PB_TEXT("Foo"), PB_TEXT(""));
    if (secret.failed) cre_fail(secret.content);
    cre_send_string(secret.content);
}
