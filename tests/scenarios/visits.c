/* Adds one to a number in kvstore as often as the config says, then has a report signed; sends "<number> <seq_nr>". */
#include "standard.h"

#define KVSTORE PB_TEXT("kvstore@1.0.0")
#define INCREMENT PB_TEXT("type.googleapis.com/strongroom.kvstore.v1.IncrementRequest")
#define REPORT PB_TEXT("type.googleapis.com/sdk.v1alpha.ReportRequest")

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    int32_t count = (int32_t)text_decimal(request->config);
    uint64_t number = 0;
    cre_switch(MODE_DON);
    for (int32_t i = 0; i < count; i++) {
        pb_writer w = cre_writer(64);
        pb_bytes_field(&w, 1, PB_TEXT("visits"));
        pb_int(&w, 2, 1);
        cre_call(i, KVSTORE, PB_TEXT("Increment"), INCREMENT, pb_written(&w));
        number = pb_find_uint(cre_await_payload(i, ANSWER_BYTES_MAX), 1);
    }
    pb_writer w = cre_writer(128);
    pb_bytes_field(&w, 1, PB_TEXT("visited"));
    pb_bytes_field(&w, 2, PB_TEXT("evm"));
    pb_bytes_field(&w, 3, PB_TEXT("ecdsa"));
    pb_bytes_field(&w, 4, PB_TEXT("keccak256"));
    cre_call(count, CONSENSUS, PB_TEXT("Report"), REPORT, pb_written(&w));
    uint64_t seq_nr = pb_find_uint(cre_await_payload(count, ANSWER_BYTES_MAX), 2);
    pb_writer text = cre_writer(64);
    text_put_decimal(&text, number);
    pb_put_bytes(&text, PB_TEXT(" "));
    text_put_decimal(&text, seq_nr);
    cre_send_string(pb_written(&text));
}
