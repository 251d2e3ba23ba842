/* A greeting, and proof that a secret was there without a byte of it.
 *
 * It asks for the secret named in its config, or for API_KEY when the config is empty, and answers
 * {"greeting": "hello, x", "api_key": "present, 6 bytes"}. The second key is the secret's name in lower case. A secret
 * that does not exist reads "absent", so the same binary also runs where nothing was set.
 */
#include "calls.h"
#include "greeting.h"
#include "text.h"

enum { SECRET = 0, SECRET_NAME_BYTES_MAX = 64 };

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

/* One entry of a values.v1.Map whose value is a string. */
static void put_entry(pb_writer *w, pb_bytes key, const pb_writer *text) {
    size_t entry = pb_open(w, 1);
    pb_bytes_field(w, 1, key);
    size_t value = pb_open(w, 2);
    pb_bytes_field(w, 1, pb_written(text));
    pb_close(w, value);
    pb_close(w, entry);
}

static void trigger(const cre_request *request) {
    pb_bytes name = request->config.len != 0 ? request->config : PB_TEXT("API_KEY");
    if (name.len > SECRET_NAME_BYTES_MAX) cre_fail(PB_TEXT("the config is the name of a secret, at most 64 bytes"));
    cre_answer secret = cre_secret(SECRET, name, PB_TEXT("main"));

    pb_writer greeting = greeting_for(request);
    pb_writer seen = cre_writer(64);
    if (secret.failed) {
        pb_put_bytes(&seen, PB_TEXT("absent"));
    } else {
        pb_put_bytes(&seen, PB_TEXT("present, "));
        text_put_decimal(&seen, secret.content.len);
        pb_put_bytes(&seen, PB_TEXT(" bytes"));
    }

    pb_writer key = cre_writer(SECRET_NAME_BYTES_MAX);
    for (size_t i = 0; i < name.len; i++) pb_put(&key, name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32 : name.ptr[i]);

    pb_writer result = cre_writer(greeting.len + 256);
    size_t value = pb_open(&result, 1);
    size_t map = pb_open(&result, 4);
    put_entry(&result, PB_TEXT("greeting"), &greeting);
    put_entry(&result, pb_written(&key), &seen);
    pb_close(&result, map);
    pb_close(&result, value);
    cre_send(&result);
}
