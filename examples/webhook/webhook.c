/* Started by signed HTTP requests: it takes {"who": "x"} and answers "hello, x, from 0x…", naming the key that signed.
 *
 * Its config lists the addresses of the keys that may start it, with spaces or line ends between them. Without any it is
 * started by hand only.
 */
#include "../hello/greeting.h"

enum { CONFIG_BYTES_MAX = 1024, KEY_TYPE_ECDSA_EVM = 1 };

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void subscribe(const cre_request *request) {
    pb_bytes addresses = request->config;
    if (addresses.len > CONFIG_BYTES_MAX) cre_fail(PB_TEXT("the config is addresses of keys, at most 1024 bytes"));
    pb_writer config = cre_writer(8 * CONFIG_BYTES_MAX);
    for (size_t at = 0; at < addresses.len;) {
        size_t end = at;
        while (end < addresses.len && !is_space(addresses.ptr[end])) end++;
        if (end > at) {
            size_t key = pb_open(&config, 1); /* Config.authorized_keys */
            pb_uint(&config, 1, KEY_TYPE_ECDSA_EVM);
            pb_bytes_field(&config, 2, (pb_bytes){addresses.ptr + at, end - at});
            pb_close(&config, key);
        }
        at = end + 1;
    }
    pb_writer w = cre_writer(config.len + 256);
    size_t list = pb_open(&w, 3);
    cre_subscription(&w, HTTP_TRIGGER, HTTP_CONFIG, pb_written(&config));
    pb_close(&w, list);
    cre_send(&w);
}

static void trigger(const cre_request *request) {
    pb_bytes key = pb_find_bytes(request->payload, 2); /* Payload.key: the entry of the config that signed */
    pb_bytes address = pb_find_bytes(key, 2);
    pb_writer greeting = greeting_for(request);
    pb_writer answer = cre_writer(greeting.len + address.len + 32);
    pb_put_bytes(&answer, pb_written(&greeting));
    pb_put_bytes(&answer, PB_TEXT(", from "));
    pb_put_bytes(&answer, address.len != 0 ? address : PB_TEXT("nobody's key"));
    cre_send_string(pb_written(&answer));
}
