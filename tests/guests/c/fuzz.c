/* pb.h and json.h as a native library, so that a test can throw bytes at them.
 *
 * Every function returns the number of bytes it wrote to `out`, or -1.
 */
#include "json.h"
#include "pb.h"

#define EXPORT __attribute__((visibility("default")))

enum { DEPTH_MAX = 64, CHILDREN_MAX = 3 };

/* A message type: which of its fields are messages, and of which type. */
typedef struct {
    struct {
        uint32_t number;
        uint32_t type;
    } children[CHILDREN_MAX];
} message_type;

enum {
    LEAF, VALUE, MAP, MAP_ENTRY, LIST, DECIMAL, EXECUTE_REQUEST, TRIGGER, EXECUTION_RESULT, SUBSCRIPTIONS, SUBSCRIPTION,
    CAPABILITY_REQUEST, CAPABILITY_RESPONSE, AWAIT_RESPONSE, AWAIT_ENTRY, SECRET_RESPONSES, SECRET_RESPONSE, TYPES
};

static const message_type types[TYPES] = {
    [VALUE] = {{{4, MAP}, {5, LIST}, {6, DECIMAL}}},
    [MAP] = {{{1, MAP_ENTRY}}},
    [MAP_ENTRY] = {{{2, VALUE}}},
    [LIST] = {{{2, VALUE}}},
    [DECIMAL] = {{{1, LEAF}}},
    [EXECUTE_REQUEST] = {{{2, LEAF}, {3, TRIGGER}, {5, TRIGGER}}},
    [TRIGGER] = {{{2, LEAF}}},
    [EXECUTION_RESULT] = {{{1, VALUE}, {3, SUBSCRIPTIONS}}},
    [SUBSCRIPTIONS] = {{{1, SUBSCRIPTION}}},
    [SUBSCRIPTION] = {{{2, LEAF}}},
    [CAPABILITY_REQUEST] = {{{2, LEAF}}},
    [CAPABILITY_RESPONSE] = {{{1, LEAF}}},
    [AWAIT_RESPONSE] = {{{1, AWAIT_ENTRY}}},
    [AWAIT_ENTRY] = {{{2, CAPABILITY_RESPONSE}}},
    [SECRET_RESPONSES] = {{{1, SECRET_RESPONSE}}},
    [SECRET_RESPONSE] = {{{1, LEAF}, {2, LEAF}}},
};

static bool copy(pb_writer *w, pb_bytes message, uint32_t type, int depth) {
    pb_reader r = pb_read(message);
    pb_field field;
    if (depth > DEPTH_MAX) return false;
    while (pb_next(&r, &field)) {
        uint32_t child = TYPES;
        for (int i = 0; i < CHILDREN_MAX; i++) {
            if (types[type].children[i].number == field.number && field.wire == PB_LEN) child = types[type].children[i].type;
        }
        if (child == TYPES) {
            pb_copy_field(w, &field);
        } else {
            size_t at = pb_open(w, field.number);
            if (!copy(w, field.bytes, child, depth + 1)) return false;
            pb_close(w, at);
        }
    }
    return !r.bad && !w->bad;
}

/* Reads a message of type number `type` through all its levels and writes it again. */
EXPORT int64_t fuzz_copy(uint32_t type, const uint8_t *in, size_t len, uint8_t *out, size_t max) {
    pb_writer w = pb_write(out, max);
    return type < TYPES && copy(&w, (pb_bytes){in, len}, type, 0) ? (int64_t)w.len : -1;
}

/* The last bytes field with this number. */
EXPORT int64_t fuzz_find(uint32_t number, const uint8_t *in, size_t len, uint8_t *out, size_t max) {
    pb_writer w = pb_write(out, max);
    pb_field field;
    if (!pb_find((pb_bytes){in, len}, number, PB_LEN, &field)) return -1;
    pb_put_bytes(&w, field.bytes);
    return w.bad ? -1 : (int64_t)w.len;
}

/* The string named "who". */
EXPORT int64_t fuzz_json(uint32_t unused, const uint8_t *in, size_t len, uint8_t *out, size_t max) {
    pb_writer w = pb_write(out, max);
    (void)unused;
    return json_string((pb_bytes){in, len}, PB_TEXT("who"), &w) ? (int64_t)w.len : -1;
}
