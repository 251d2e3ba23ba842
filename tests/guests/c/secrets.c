/* Standard test 10: the value of one secret, or the text of its error. It leaves the namespace to the host. */
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
    cre_answer secret = cre_secret(0, PB_TEXT("Foo"), PB_TEXT(""));
    if (secret.failed) cre_fail(secret.content);
    cre_send_string(secret.content);
}
