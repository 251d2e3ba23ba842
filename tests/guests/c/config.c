/* Standard test 1: the config, as bytes. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    cre_send_bytes(request->config);
}
