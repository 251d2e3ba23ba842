/* Standard test 7: one line to the host's log. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    cre_log(PB_TEXT("log from wasm!"));
    cre_send_bytes(request->config);
}
