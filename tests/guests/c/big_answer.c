/* Standard test 5: the answer of a capability does not fit the guest's buffer, and the guest hears why. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    start_action(0, true);
    cre_send_bytes(cre_await_payload(0, request->response_bytes_max));
}
