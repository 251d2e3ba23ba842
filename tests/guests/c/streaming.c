/* Writes as many chunks as the config says to the stream "out" of its own run, "chunk 0\n" and so on, and closes it. */
#include "standard.h"

#define RUN PB_TEXT("run@1.0.0")
#define OF_RUN(name) PB_TEXT("type.googleapis.com/strongroom.run.v1." name)
#define NAME PB_TEXT("out")

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static void write_chunk(int32_t number) {
    pb_writer text = cre_writer(32);
    pb_put_bytes(&text, PB_TEXT("chunk "));
    text_put_decimal(&text, (uint64_t)number);
    pb_put(&text, '\n');
    pb_writer asked = cre_writer(text.len + 32);
    pb_bytes_field(&asked, 1, NAME);
    pb_bytes_field(&asked, 2, pb_written(&text));
    cre_call(number, RUN, PB_TEXT("WriteStream"), OF_RUN("WriteStreamRequest"), pb_written(&asked));
    if (pb_find_uint(cre_await_payload(number, 1024), 1) != (uint64_t)number) cre_fail(PB_TEXT("another index"));
}

static void trigger(const cre_request *request) {
    int32_t count = (int32_t)text_decimal(request->config);
    cre_switch(MODE_DON);
    for (int32_t number = 0; number < count; number++) write_chunk(number);
    pb_writer asked = cre_writer(32);
    pb_bytes_field(&asked, 1, NAME);
    cre_call(count, RUN, PB_TEXT("CloseStream"), OF_RUN("CloseStreamRequest"), pb_written(&asked));
    cre_await_payload(count, 1024);
    cre_send_string(PB_TEXT("written"));
}
