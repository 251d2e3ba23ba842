/* The smallest useful workflow: it takes {"who": "x"} from an HTTP trigger and answers "hello, x". */
#include "greeting.h"

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static void trigger(const cre_request *request) {
    pb_writer greeting = greeting_for(request);
    cre_send_string(pb_written(&greeting));
}
