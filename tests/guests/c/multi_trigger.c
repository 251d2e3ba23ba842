/* Standard test 8: three triggers, told apart by their position alone. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    pb_writer w = cre_writer(1024);
    size_t list = pb_open(&w, 3);
    put_trigger(&w, BASIC_TRIGGER, INTERNAL("basictrigger.v1.Config"), PB_TEXT("first-trigger"), 100);
    put_trigger(&w, ACTION_TRIGGER, INTERNAL("actionandtrigger.v1.Config"), PB_TEXT("second-trigger"), 150);
    put_trigger(&w, BASIC_TRIGGER, INTERNAL("basictrigger.v1.Config"), PB_TEXT("third-trigger"), 200);
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) {
    pb_bytes cool_output = pb_find_bytes(request->payload, 1);
    pb_writer text = cre_writer(cool_output.len + 64);
    pb_put_bytes(&text, PB_TEXT("called "));
    text_put_decimal(&text, request->trigger_index);
    pb_put_bytes(&text, PB_TEXT(" with "));
    pb_put_bytes(&text, cool_output);
    cre_send_string(pb_written(&text));
}
