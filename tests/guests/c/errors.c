/* Standard test 2: a run that fails on purpose. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_fail(PB_TEXT("workflow execution failure"));
}
