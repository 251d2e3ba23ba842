/* One of the scenarios that durable runs are compared by. The config is "KIND COUNT METHOD BYTES": `sequential` awaits each
 * step before the next, `all` starts all of them first, `race` ends with the first that it awaits, `write` writes the answer
 * of each, in capitals, to the stream "out" of its run. Each step takes a text of BYTES bytes and answers it. */
#include "standard.h"

#define TEXT_TYPE INTERNAL("basicaction.v1.Outputs")
#define RUN PB_TEXT("run@1.0.0")
#define OF_RUN(name) PB_TEXT("type.googleapis.com/strongroom.run.v1." name)

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

/* The next word of the text, which is then shorter by it. */
static pb_bytes next_word(pb_bytes *text) {
    size_t end = 0;
    while (end < text->len && text->ptr[end] != ' ') end++;
    pb_bytes word = {text->ptr, end};
    size_t used = end < text->len ? end + 1 : end;
    text->ptr += used;
    text->len -= used;
    return word;
}

static pb_bytes text_of(size_t bytes) {
    pb_writer message = cre_writer(bytes + 16);
    uint8_t *text = cre_alloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) text[i] = 'a' + i % 26;
    pb_bytes_field(&message, 1, (pb_bytes){text, bytes});
    return pb_written(&message);
}

/* The text in capitals, as one chunk; without a text, the end of the stream. */
static void write_out(int32_t callback, pb_bytes text) {
    pb_writer asked = cre_writer(text.len + 64);
    pb_bytes_field(&asked, 1, PB_TEXT("out"));
    if (text.len > 0) {
        uint8_t *capitals = cre_alloc(text.len);
        for (size_t i = 0; i < text.len; i++) capitals[i] = (uint8_t)(text.ptr[i] - ('a' - 'A'));
        pb_bytes_field(&asked, 2, (pb_bytes){capitals, text.len});
        cre_call(callback, RUN, PB_TEXT("WriteStream"), OF_RUN("WriteStreamRequest"), pb_written(&asked));
    } else {
        cre_call(callback, RUN, PB_TEXT("CloseStream"), OF_RUN("CloseStreamRequest"), pb_written(&asked));
    }
    cre_await_payload(callback, 1024);
}

static void trigger(const cre_request *request) {
    pb_bytes words = request->config;
    pb_bytes kind = next_word(&words);
    int32_t count = (int32_t)text_decimal(next_word(&words));
    pb_bytes method = next_word(&words);
    size_t bytes = (size_t)text_decimal(next_word(&words));
    uint8_t first = kind.len > 0 ? kind.ptr[0] : 0;
    bool writes = first == 'w', sequential = first == 's' || writes, race = first == 'r';
    pb_bytes input = text_of(bytes);
    cre_switch(MODE_DON);
    for (int32_t i = 0; i < count; i++) {
        cre_call(i, ACTION, method, TEXT_TYPE, input);
        if (!sequential) continue;
        pb_bytes text = finish_action(i);
        if (writes) write_out(count + i, text);
    }
    if (writes) write_out(2 * count, PB_TEXT(""));
    for (int32_t i = 0; !sequential && i < (race && count > 0 ? 1 : count); i++) finish_action(i);
    pb_writer text = cre_writer(32);
    text_put_decimal(&text, (uint64_t)count);
    pb_put_bytes(&text, PB_TEXT(" steps"));
    cre_send_string(pb_written(&text));
}
