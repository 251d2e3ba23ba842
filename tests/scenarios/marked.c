/* Hands what it was given on to everything that a guest can write to. Its payload is a JSON text with a word in angle
 * brackets; that word goes into its log, a step and its answer, a value that kvstore keeps, metadata of a hook, a chunk
 * of a stream, and its result, or its error where the config begins with an f. Where it begins with a w, it waits for a
 * payload of its hook and answers with that. It reads the secret MARKED and tells nobody. */
#include "standard.h"

#define RUN PB_TEXT("run@1.0.0")
#define OF_RUN(name) PB_TEXT("type.googleapis.com/strongroom.run.v1." name)
#define STORE PB_TEXT("kvstore@1.0.0")
#define OF_STORE(name) PB_TEXT("type.googleapis.com/strongroom.kvstore.v1." name)
#define KEY PB_TEXT("kept")

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static pb_bytes marker_in(pb_bytes text) {
    size_t begin = 0, end;
    while (begin < text.len && text.ptr[begin] != '<') begin++;
    for (end = begin; end < text.len && text.ptr[end] != '>'; end++) {}
    if (end >= text.len) cre_fail(PB_TEXT("there is no marker"));
    return (pb_bytes){text.ptr + begin + 1, end - begin - 1};
}

/* A call whose message has two fields of bytes, and the answer's field 1. */
static pb_bytes asked(int32_t callback, pb_bytes id, pb_bytes method, pb_bytes type, pb_bytes first, pb_bytes second) {
    pb_writer message = cre_writer(first.len + second.len + 64);
    pb_bytes_field(&message, 1, first);
    if (second.len > 0) pb_bytes_field(&message, 2, second);
    cre_call(callback, id, method, type, pb_written(&message));
    return pb_find_bytes(cre_await_payload(callback, ANSWER_BYTES_MAX), 1);
}

static void trigger(const cre_request *request) {
    pb_bytes marker = marker_in(request->payload), nothing = {marker.ptr, 0};
    uint8_t kind = request->config.len > 0 ? request->config.ptr[0] : 0;
    cre_switch(MODE_DON);
    cre_log(marker);
    cre_answer secret = cre_secret(0, PB_TEXT("MARKED"), PB_TEXT(""));
    if (secret.failed) cre_fail(secret.content);
    asked(1, STORE, PB_TEXT("Put"), OF_STORE("PutRequest"), KEY, marker);
    asked(2, STORE, PB_TEXT("Get"), OF_STORE("GetRequest"), KEY, nothing);
    asked(3, RUN, PB_TEXT("WriteStream"), OF_RUN("WriteStreamRequest"), PB_TEXT("out"), marker);
    asked(4, RUN, PB_TEXT("CloseStream"), OF_RUN("CloseStreamRequest"), PB_TEXT("out"), nothing);
    if (kind == 'f') cre_fail(marker);
    if (kind != 'w') {
        cre_send_string(marker);
        return;
    }
    pb_bytes hook = asked(5, RUN, PB_TEXT("CreateHook"), OF_RUN("CreateHookRequest"), marker, marker);
    cre_send_string(asked(6, RUN, PB_TEXT("AwaitHook"), OF_RUN("AwaitHookRequest"), hook, nothing));
}
