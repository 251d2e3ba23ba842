/* Writes what the host may store with a later event, and computes from then on, so that no later event comes: log lines
 * when its config is "log", else a time. It logs as many lines as the host gathers for one event. */
#include "standard.h"

enum { LINES = 64 };
static volatile uint32_t sink;

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    if (request->config.len == 3) {
        for (int i = 0; i < LINES; i++) cre_log(PB_TEXT("one of many"));
    } else {
        sink = (uint32_t)cre_now();
    }
    for (;;) sink++;
}
