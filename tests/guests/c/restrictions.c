/* Standard test 14: the pre-hook forbids every capability call, and the trigger then tries one. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    pb_writer w = cre_writer(512);
    size_t list = pb_open(&w, 3);
    size_t subscription = pb_open(&w, 1);
    pb_bytes_field(&w, 1, BASIC_TRIGGER);
    size_t any = pb_open(&w, 2);
    pb_bytes_field(&w, 1, INTERNAL("basictrigger.v1.Config"));
    pb_close(&w, any);
    pb_bytes_field(&w, 3, PB_TEXT("Trigger"));
    pb_uint(&w, 5, true);
    pb_close(&w, subscription);
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    if (request->kind == CRE_PRE_HOOK) {
        pb_writer w = cre_writer(16);
        size_t restrictions = pb_open(&w, 4);
        pb_bytes_field(&w, 2, PB_TEXT(""));
        pb_close(&w, restrictions);
        cre_send(&w);
        return;
    }
    start_action(0, true);
    cre_send_string(finish_action(0));
}
