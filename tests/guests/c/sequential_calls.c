/* As many calls as the config says, each awaited before the next is started. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    int32_t count = (int32_t)text_decimal(request->config);
    cre_switch(MODE_DON);
    for (int32_t i = 0; i < count; i++) {
        start_action(i, true);
        finish_action(i);
    }
    pb_writer text = cre_writer(32);
    text_put_decimal(&text, (uint64_t)count);
    pb_put_bytes(&text, PB_TEXT(" answers"));
    cre_send_string(pb_written(&text));
}
