/* "hello, " and whoever the input names: {"who": "x"}. */
#include "cre.h"
#include "json.h"

static pb_writer greeting_for(const cre_request *request) {
    pb_bytes input = pb_find_bytes(request->payload, 1); /* Payload.input of the HTTP trigger */
    pb_writer who = cre_writer(input.len);
    if (!json_string(input, PB_TEXT("who"), &who)) {
        who = cre_writer(8);
        pb_put_bytes(&who, PB_TEXT("world"));
    }
    pb_writer greeting = cre_writer(who.len + 16);
    pb_put_bytes(&greeting, PB_TEXT("hello, "));
    pb_put_bytes(&greeting, pb_written(&who));
    return greeting;
}
