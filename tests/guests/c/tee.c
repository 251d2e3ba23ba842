/* Standard test 13: the first subscription asks for an AWS Nitro enclave in one region, the second for nothing. */
#include "standard.h"

enum { AWS_NITRO = 1 };

static void subscribe(const cre_request *request) {
    (void)request;
    pb_writer w = cre_writer(1024);
    pb_writer config = trigger_config(PB_TEXT("first-trigger"), 100);
    size_t list = pb_open(&w, 3);
    size_t first = pb_open(&w, 1);
    pb_bytes_field(&w, 1, BASIC_TRIGGER);
    size_t any = pb_open(&w, 2);
    pb_bytes_field(&w, 1, INTERNAL("basictrigger.v1.Config"));
    pb_bytes_field(&w, 2, pb_written(&config));
    pb_close(&w, any);
    pb_bytes_field(&w, 3, PB_TEXT("Trigger"));
    size_t requirements = pb_open(&w, 4);
    size_t tee = pb_open(&w, 1);
    size_t types = pb_open(&w, 2);
    size_t type = pb_open(&w, 1);
    pb_uint(&w, 1, AWS_NITRO);
    pb_bytes_field(&w, 3, PB_TEXT("us-west-2"));
    pb_close(&w, type);
    pb_close(&w, types);
    pb_close(&w, tee);
    pb_close(&w, requirements);
    pb_close(&w, first);
    put_trigger(&w, BASIC_TRIGGER, INTERNAL("basictrigger.v1.Config"), PB_TEXT("second-trigger"), 200);
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) {
    cre_send_bytes(request->config);
}
