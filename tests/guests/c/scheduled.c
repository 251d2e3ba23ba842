/* Subscribes to one cron trigger for each line of its config, and answers with the payload that a run was started by. */
#include "standard.h"

#define CRON PB_TEXT("cron-trigger@1.0.0")
#define CRON_CONFIG PB_TEXT("type.googleapis.com/capabilities.scheduler.cron.v1.Config")

static void subscribe(const cre_request *request) {
    pb_bytes rest = request->config;
    pb_writer w = cre_writer(rest.len + 4096);
    size_t list = pb_open(&w, 3);
    while (rest.len != 0) {
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != '\n') end++;
        pb_writer config = cre_writer(end + 32);
        pb_bytes_field(&config, 1, (pb_bytes){rest.ptr, end});
        cre_subscription(&w, CRON, CRON_CONFIG, pb_written(&config));
        size_t taken = end < rest.len ? end + 1 : end;
        rest = (pb_bytes){rest.ptr + taken, rest.len - taken};
    }
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) { cre_send_bytes(request->payload); }

