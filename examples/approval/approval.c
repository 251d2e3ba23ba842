/* Waits for somebody outside: it takes {"order": "4711"}, makes a hook with the token "order-4711", and answers with what
 * was left there, as it came. Without an order the token is a random one, which `strongroom hook get` opens.
 */
#include "calls.h"
#include "json.h"

#define RUN PB_TEXT("run@1.0.0")
#define OF_RUN(name) PB_TEXT("type.googleapis.com/strongroom.run.v1." name)

enum { ANSWER_BYTES_MAX = 300 * 1024 };

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static pb_bytes create_hook(const cre_request *request) {
    pb_bytes input = pb_find_bytes(request->payload, 1); /* Payload.input of the HTTP trigger */
    pb_writer order = cre_writer(input.len);
    pb_writer token = cre_writer(input.len + 16);
    if (json_string(input, PB_TEXT("order"), &order)) {
        pb_put_bytes(&token, PB_TEXT("order-"));
        pb_put_bytes(&token, pb_written(&order));
    }
    pb_writer asked = cre_writer(token.len + input.len + 32);
    pb_bytes_field(&asked, 1, pb_written(&token)); /* CreateHookRequest.token */
    pb_bytes_field(&asked, 2, input);              /* CreateHookRequest.metadata */
    cre_call(0, RUN, PB_TEXT("CreateHook"), OF_RUN("CreateHookRequest"), pb_written(&asked));
    return pb_find_bytes(cre_await_payload(0, 1024), 1); /* CreateHookResponse.hook_id */
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    pb_bytes hook_id = create_hook(request);
    pb_writer asked = cre_writer(hook_id.len + 16);
    pb_bytes_field(&asked, 1, hook_id); /* AwaitHookRequest.hook_id */
    cre_call(1, RUN, PB_TEXT("AwaitHook"), OF_RUN("AwaitHookRequest"), pb_written(&asked));
    cre_send_string(pb_find_bytes(cre_await_payload(1, ANSWER_BYTES_MAX), 1)); /* AwaitHookResponse.payload */
}
