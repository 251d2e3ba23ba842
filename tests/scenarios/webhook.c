/* Its config is "<address> <url>": started by requests that the key of the address signed, it posts what they carry to
 * the url, and answers with what came back. */
#include "standard.h"

#define HTTP_TRIGGER PB_TEXT("http-trigger@1.0.0-alpha")
#define HTTP_ACTIONS PB_TEXT("http-actions@1.0.0-alpha")
#define NETWORKING(name) PB_TEXT("type.googleapis.com/capabilities.networking.http.v1alpha." name)

enum { ADDRESS_BYTES = 42, KEY_TYPE_ECDSA_EVM = 1 };

static void subscribe(const cre_request *request) {
    pb_writer config = cre_writer(128);
    size_t key = pb_open(&config, 1);
    pb_uint(&config, 1, KEY_TYPE_ECDSA_EVM);
    pb_bytes_field(&config, 2, (pb_bytes){request->config.ptr, ADDRESS_BYTES});
    pb_close(&config, key);
    pb_writer w = cre_writer(1024);
    size_t list = pb_open(&w, 3);
    cre_subscription(&w, HTTP_TRIGGER, NETWORKING("Config"), pb_written(&config));
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) {
    pb_bytes url = {request->config.ptr + ADDRESS_BYTES + 1, request->config.len - ADDRESS_BYTES - 1};
    pb_bytes input = pb_find_bytes(request->payload, 1);
    pb_writer w = cre_writer(url.len + input.len + 64);
    pb_bytes_field(&w, 1, url);
    pb_bytes_field(&w, 2, PB_TEXT("POST"));
    pb_bytes_field(&w, 4, input);
    cre_call(1, HTTP_ACTIONS, PB_TEXT("SendRequest"), NETWORKING("Request"), pb_written(&w));
    cre_send_string(pb_find_bytes(cre_await_payload(1, ANSWER_BYTES_MAX), 3));
}
