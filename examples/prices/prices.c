/* One price from two sources at once: a secret, and two capability calls that are open at the same time.
 *
 * The input is {"pair": "ETH-USD"}. Both sources are asked with the secret PRICES_KEY as a bearer token, and each answers
 * {"price": "3120.50"}. The result is {"pair": "ETH-USD", "first": "3120.50", "second": "3119.75"}; a source that fails
 * reads "no answer". When neither answers, the run fails.
 */
#include "calls.h"
#include "json.h"
#include "text.h"

enum { SECRET = 0, FIRST = 0, SECOND = 1, ANSWER_BYTES_MAX = 65536, PAIR_BYTES_MAX = 16, HTTP_OK = 200 };

static const uint8_t first_source[] = "https://first.prices.example/v1/";
static const uint8_t second_source[] = "https://second.prices.example/v1/";

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

/* Letters, digits and a dash: what is put into a URL must not be able to lead it elsewhere. */
static bool is_pair(const pb_writer *pair) {
    for (size_t i = 0; i < pair->len; i++) {
        uint8_t c = pair->buffer[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return pair->len != 0 && !pair->bad;
}

/* Starts a GET of `source` + `pair` and does not wait for it. */
static void ask(int32_t callback, pb_bytes source, pb_bytes pair, pb_bytes key) {
    pb_writer url = cre_writer(source.len + pair.len);
    pb_put_bytes(&url, source);
    pb_put_bytes(&url, pair);
    pb_writer token = cre_writer(key.len + 16);
    pb_put_bytes(&token, PB_TEXT("Bearer "));
    pb_put_bytes(&token, key);

    pb_writer call = cre_writer(url.len + token.len + 128);
    pb_bytes_field(&call, 1, pb_written(&url));
    pb_bytes_field(&call, 2, PB_TEXT("GET"));
    size_t header = pb_open(&call, 3); /* an entry of a map<string, string> */
    pb_bytes_field(&call, 1, PB_TEXT("authorization"));
    pb_bytes_field(&call, 2, pb_written(&token));
    pb_close(&call, header);
    pb_bytes type = PB_TEXT("type.googleapis.com/capabilities.networking.http.v1alpha.Request");
    cre_call(callback, PB_TEXT("http-actions@1.0.0-alpha"), PB_TEXT("SendRequest"), type, pb_written(&call));
}

/* Waits for a call; writes the price to `price`, or says no and logs why. */
static bool take(int32_t callback, pb_writer *price) {
    cre_answer answer = cre_await(callback, ANSWER_BYTES_MAX);
    bool found = !answer.failed && pb_find_uint(answer.content, 1) == HTTP_OK;
    if (found && json_string(pb_find_bytes(answer.content, 3), PB_TEXT("price"), price)) return true;

    pb_writer line = cre_writer(answer.content.len + 64);
    pb_put_bytes(&line, PB_TEXT("source "));
    text_put_decimal(&line, (uint64_t)callback);
    pb_put_bytes(&line, answer.failed ? PB_TEXT(" failed: ") : PB_TEXT(" gave no price, status "));
    if (answer.failed) pb_put_bytes(&line, answer.content);
    else text_put_decimal(&line, pb_find_uint(answer.content, 1));
    cre_log(pb_written(&line));
    *price = cre_writer(16);
    pb_put_bytes(price, PB_TEXT("no answer"));
    return false;
}

/* One entry of a values.v1.Map whose value is a string. */
static void put_entry(pb_writer *w, pb_bytes key, pb_bytes text) {
    size_t entry = pb_open(w, 1);
    pb_bytes_field(w, 1, key);
    size_t value = pb_open(w, 2);
    pb_bytes_field(w, 1, text);
    pb_close(w, value);
    pb_close(w, entry);
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON); /* log lines count from here on */
    pb_bytes input = pb_find_bytes(request->payload, 1); /* Payload.input of the HTTP trigger */
    pb_writer pair = cre_writer(PAIR_BYTES_MAX);
    if (!json_string(input, PB_TEXT("pair"), &pair) || !is_pair(&pair)) cre_fail(PB_TEXT("the input is {\"pair\": \"ETH-USD\"}"));

    cre_answer key = cre_secret(SECRET, PB_TEXT("PRICES_KEY"), PB_TEXT("main"));
    if (key.failed) cre_fail(key.content);

    /* Both are under way before either is waited for, so the run takes as long as the slower one. */
    ask(FIRST, (pb_bytes){first_source, sizeof first_source - 1}, pb_written(&pair), key.content);
    ask(SECOND, (pb_bytes){second_source, sizeof second_source - 1}, pb_written(&pair), key.content);
    pb_writer first = cre_writer(64);
    pb_writer second = cre_writer(64);
    bool one = take(FIRST, &first);
    bool other = take(SECOND, &second);
    if (!one && !other) cre_fail(PB_TEXT("neither source gave a price"));

    pb_writer result = cre_writer(pair.len + first.len + second.len + 256);
    size_t value = pb_open(&result, 1);
    size_t map = pb_open(&result, 4);
    put_entry(&result, PB_TEXT("pair"), pb_written(&pair));
    put_entry(&result, PB_TEXT("first"), pb_written(&first));
    put_entry(&result, PB_TEXT("second"), pb_written(&second));
    pb_close(&result, map);
    pb_close(&result, value);
    cre_send(&result);
}
