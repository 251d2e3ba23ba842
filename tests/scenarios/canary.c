/* Reads a secret, waits in a call that carries its config, and sends "<length> <FNV-1a of the secret>".
 *
 * -DTELLS gives the secret away with the call.
 */
#include "standard.h"

#define STRING_VALUE PB_TEXT("type.googleapis.com/google.protobuf.StringValue")

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static uint64_t digest(pb_bytes bytes) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ bytes.ptr[i]) * 0x100000001b3u;
    return hash;
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    cre_answer secret = cre_secret(0, PB_TEXT("CANARY"), PB_TEXT(""));
    if (secret.failed) cre_fail(secret.content);
    cre_log(secret.content);
    pb_bytes told = request->config;
#ifdef TELLS
    told = secret.content;
#endif
    pb_writer w = cre_writer(told.len + 64);
    pb_bytes_field(&w, 1, told);
    cre_call(1, PB_TEXT("gate@1.0.0"), PB_TEXT("Wait"), STRING_VALUE, pb_written(&w));
    cre_await_payload(1, ANSWER_BYTES_MAX);
    pb_writer text = cre_writer(64);
    text_put_decimal(&text, secret.content.len);
    pb_put_bytes(&text, PB_TEXT(" "));
    text_put_decimal(&text, digest(secret.content));
    cre_send_string(pb_written(&text));
}
