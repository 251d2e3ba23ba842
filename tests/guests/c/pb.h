/* A small protobuf reader and writer for guests.
 *
 * Rules: a reader never looks past the end of its bytes, a writer never writes past its buffer; whatever is wrong sets
 * `bad`, after which every call does nothing, so one check at the end is enough. No allocation, no recursion, no libc.
 * Groups (wire types 3 and 4) are refused: no message of the guest contract has one.
 */
#ifndef STRONGROOM_PB_H
#define STRONGROOM_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *ptr;
    size_t len;
} pb_bytes;

#define PB_TEXT(literal) ((pb_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_LEN = 2, PB_FIXED32 = 5 };

static inline bool pb_equal(pb_bytes a, pb_bytes b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i]) return false;
    }
    return true;
}

static inline bool pb_contains(pb_bytes text, pb_bytes part) {
    for (size_t i = 0; part.len <= text.len && i <= text.len - part.len; i++) {
        if (pb_equal((pb_bytes){text.ptr + i, part.len}, part)) return true;
    }
    return false;
}

/* ---- reading ---- */

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} pb_reader;

typedef struct {
    uint32_t number;
    uint32_t wire;
    uint64_t value;  /* PB_VARINT, PB_FIXED64, PB_FIXED32 */
    pb_bytes bytes;  /* PB_LEN; points into the reader's bytes */
} pb_field;

static inline pb_reader pb_read(pb_bytes from) {
    return (pb_reader){from.ptr, from.ptr + from.len, false};
}

static inline size_t pb_left(const pb_reader *r) {
    return (size_t)(r->end - r->at);
}

/* Ten bytes at most; the tenth may only carry the top bit of 64. */
static inline uint64_t pb_read_varint(pb_reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->bad || r->at == r->end) break;
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    r->bad = true;
    return 0;
}

static inline uint64_t pb_read_fixed(pb_reader *r, size_t size) {
    uint64_t value = 0;
    if (r->bad || pb_left(r) < size) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++) value |= (uint64_t)r->at[i] << (8 * i);
    r->at += size;
    return value;
}

/* The next field; false at the end and on bad bytes (`bad` tells which). */
static inline bool pb_next(pb_reader *r, pb_field *field) {
    *field = (pb_field){0, 0, 0, {r->end, 0}};
    if (r->bad || r->at == r->end) return false;
    uint64_t key = pb_read_varint(r);
    if (r->bad || key >> 3 == 0 || key >> 3 > 0x1fffffff) {
        r->bad = true;
        return false;
    }
    field->number = (uint32_t)(key >> 3);
    field->wire = (uint32_t)(key & 7);
    switch (field->wire) {
    case PB_VARINT: field->value = pb_read_varint(r); break;
    case PB_FIXED64: field->value = pb_read_fixed(r, 8); break;
    case PB_FIXED32: field->value = pb_read_fixed(r, 4); break;
    case PB_LEN: {
        uint64_t len = pb_read_varint(r);
        if (r->bad || len > pb_left(r)) {
            r->bad = true;
            break;
        }
        field->bytes = (pb_bytes){r->at, (size_t)len};
        r->at += len;
        break;
    }
    default: r->bad = true;
    }
    return !r->bad;
}

/* The last field with this number and wire type, as proto3 reads a singular field; false if there is none. */
static inline bool pb_find(pb_bytes message, uint32_t number, uint32_t wire, pb_field *found) {
    pb_reader r = pb_read(message);
    pb_field field;
    bool any = false;
    while (pb_next(&r, &field)) {
        if (field.number == number && field.wire == wire) {
            *found = field;
            any = true;
        }
    }
    return any && !r.bad;
}

static inline pb_bytes pb_find_bytes(pb_bytes message, uint32_t number) {
    pb_field field;
    return pb_find(message, number, PB_LEN, &field) ? field.bytes : (pb_bytes){message.ptr, 0};
}

static inline uint64_t pb_find_uint(pb_bytes message, uint32_t number) {
    pb_field field;
    return pb_find(message, number, PB_VARINT, &field) ? field.value : 0;
}

/* ---- writing ---- */

typedef struct {
    uint8_t *buffer;
    size_t len;
    size_t max;
    bool bad;
} pb_writer;

static inline pb_writer pb_write(uint8_t *buffer, size_t max) {
    return (pb_writer){buffer, 0, max, false};
}

static inline pb_bytes pb_written(const pb_writer *w) {
    return (pb_bytes){w->buffer, w->bad ? 0 : w->len};
}

static inline void pb_put(pb_writer *w, uint8_t byte) {
    if (w->bad || w->len >= w->max) {
        w->bad = true;
        return;
    }
    w->buffer[w->len++] = byte;
}

static inline void pb_put_bytes(pb_writer *w, pb_bytes bytes) {
    if (w->bad || bytes.len > w->max - w->len) {
        w->bad = true;
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) w->buffer[w->len + i] = bytes.ptr[i];
    w->len += bytes.len;
}

static inline void pb_put_varint(pb_writer *w, uint64_t value) {
    for (; value >= 0x80; value >>= 7) pb_put(w, (uint8_t)(value | 0x80));
    pb_put(w, (uint8_t)value);
}

static inline void pb_key(pb_writer *w, uint32_t number, uint32_t wire) {
    pb_put_varint(w, (uint64_t)number << 3 | wire);
}

static inline void pb_uint(pb_writer *w, uint32_t number, uint64_t value) {
    pb_key(w, number, PB_VARINT);
    pb_put_varint(w, value);
}

static inline void pb_int(pb_writer *w, uint32_t number, int64_t value) {
    pb_uint(w, number, (uint64_t)value);
}

static inline void pb_fixed(pb_writer *w, uint32_t number, uint32_t wire, uint64_t value) {
    pb_key(w, number, wire);
    for (int i = 0; i < (wire == PB_FIXED64 ? 8 : 4); i++) pb_put(w, (uint8_t)(value >> (8 * i)));
}

static inline void pb_bytes_field(pb_writer *w, uint32_t number, pb_bytes bytes) {
    pb_key(w, number, PB_LEN);
    pb_put_varint(w, bytes.len);
    pb_put_bytes(w, bytes);
}

/* A nested message: `at = pb_open(w, n)`, its fields, `pb_close(w, at)`. Its length is written in the fewest bytes, so
 * the body moves up when the length is known. */
static inline size_t pb_open(pb_writer *w, uint32_t number) {
    pb_key(w, number, PB_LEN);
    return w->len;
}

static inline void pb_close(pb_writer *w, size_t at) {
    if (w->bad || at > w->len) {
        w->bad = true;
        return;
    }
    size_t len = w->len - at;
    size_t shift = 1;
    for (size_t rest = len >> 7; rest != 0; rest >>= 7) shift++;
    if (shift > w->max - w->len) {
        w->bad = true;
        return;
    }
    for (size_t i = len; i > 0; i--) w->buffer[at + shift + i - 1] = w->buffer[at + i - 1];
    w->len = at;
    pb_put_varint(w, len);
    w->len += len;
}

/* One field, exactly as it was read. */
static inline void pb_copy_field(pb_writer *w, const pb_field *field) {
    switch (field->wire) {
    case PB_VARINT: pb_uint(w, field->number, field->value); break;
    case PB_LEN: pb_bytes_field(w, field->number, field->bytes); break;
    default: pb_fixed(w, field->number, field->wire, field->value);
    }
}

#endif
