/* Standard test 4: two calls are open at once, and the second is awaited first. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    start_action(0, true);
    start_action(1, false);
    pb_bytes second = finish_action(1);
    pb_bytes first = finish_action(0);
    pb_writer both = cre_writer(first.len + second.len);
    pb_put_bytes(&both, first);
    pb_put_bytes(&both, second);
    cre_send_string(pb_written(&both));
}
