/* A second call under the same id: refused, and the reason is where this form of call_capability puts it. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
#ifdef AT_SUBSCRIBE
    start_action(7, true);
    finish_action(7);
#endif
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    start_action(7, true);
    cre_secret(7, PB_TEXT("Foo"), PB_TEXT("main")); /* another name space: no clash */
    start_action(7, true);
}
