/* Just enough JSON to take one string out of a small object, such as the input of an HTTP trigger. */
#ifndef STRONGROOM_JSON_H
#define STRONGROOM_JSON_H

#include "pb.h"

static inline int json_hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The 16-bit unit of `\uXXXX` whose first digit is at `at`; -1 if it is not one. */
static inline int32_t json_unit(pb_bytes json, size_t at) {
    int32_t unit = 0;
    if (json.len < 4 || at > json.len - 4) return -1;
    for (size_t i = at; i < at + 4; i++) {
        int digit = json_hex(json.ptr[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static inline void json_put_utf8(pb_writer *out, int32_t point) {
    if (point < 0x80) {
        pb_put(out, (uint8_t)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    pb_put(out, (uint8_t)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | point >> (6 * more)));
    while (more-- > 0) pb_put(out, (uint8_t)(0x80 | (point >> (6 * more) & 0x3f)));
}

/* The escape whose letter is at `*at`, which moves behind it. */
static inline bool json_escape(pb_bytes json, size_t *at, pb_writer *out) {
    static const char letters[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    if (*at >= json.len) return false;
    uint8_t letter = json.ptr[(*at)++];
    for (size_t i = 0; i < sizeof letters - 1; i++) {
        if (letter == (uint8_t)letters[i]) {
            pb_put(out, (uint8_t)means[i]);
            return true;
        }
    }
    int32_t point = letter == 'u' ? json_unit(json, *at) : -1;
    if (point < 0) return false;
    *at += 4;
    if (point >= 0xd800 && point < 0xe000) { /* a surrogate needs its other half */
        bool pair = point < 0xdc00 && *at + 1 < json.len && json.ptr[*at] == '\\' && json.ptr[*at + 1] == 'u';
        int32_t low = pair ? json_unit(json, *at + 2) : -1;
        if (low < 0xdc00 || low >= 0xe000) return false;
        *at += 6;
        point = 0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00));
    }
    json_put_utf8(out, point);
    return true;
}

static inline size_t json_skip_space(pb_bytes json, size_t at) {
    while (at < json.len && (json.ptr[at] == ' ' || (json.ptr[at] >= '\t' && json.ptr[at] <= '\r'))) at++;
    return at;
}

/* The text of the first `"name": "…"`, written to `out`; false if there is none, or it is not well formed. */
static inline bool json_string(pb_bytes json, pb_bytes name, pb_writer *out) {
    for (size_t i = 0; i + name.len + 2 <= json.len; i++) {
        if (json.ptr[i] != '"' || json.ptr[i + 1 + name.len] != '"') continue;
        if (!pb_equal((pb_bytes){json.ptr + i + 1, name.len}, name)) continue;
        size_t at = json_skip_space(json, i + name.len + 2);
        if (at == json.len || json.ptr[at] != ':') continue;
        at = json_skip_space(json, at + 1);
        if (at == json.len || json.ptr[at++] != '"') return false;
        while (at < json.len && json.ptr[at] != '"') {
            uint8_t byte = json.ptr[at++];
            if (byte != '\\') pb_put(out, byte);
            else if (!json_escape(json, &at, out)) return false;
        }
        return at < json.len && !out->bad;
    }
    return false;
}

#endif
