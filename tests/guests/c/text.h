/* Text for answers and logs. */
#ifndef STRONGROOM_TEXT_H
#define STRONGROOM_TEXT_H

#include "pb.h"

static inline void text_put_decimal(pb_writer *w, uint64_t number) {
    uint8_t digits[20];
    size_t count = 0;
    do digits[count++] = (uint8_t)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0) pb_put(w, digits[--count]);
}

/* At least `width` digits, with leading zeros. */
static inline void text_put_padded(pb_writer *w, uint64_t number, unsigned width) {
    uint64_t power = 1;
    for (unsigned i = 1; i < width; i++) power *= 10;
    for (; power > 1 && number < power; power /= 10) pb_put(w, '0');
    text_put_decimal(w, number);
}

static inline void text_put_signed(pb_writer *w, int64_t number) {
    if (number < 0) pb_put(w, '-');
    text_put_decimal(w, number < 0 ? (uint64_t)0 - (uint64_t)number : (uint64_t)number);
}

/* The number that the text starts with; 0 if there is none. */
static inline uint64_t text_decimal(pb_bytes text) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) number = number * 10 + (text.ptr[i] - '0');
    return number;
}

#endif
