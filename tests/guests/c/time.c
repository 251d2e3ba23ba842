/* Standard test 12: the host's time as RFC 3339 text. */
#include "standard.h"

static void subscribe(const cre_request *request) {
    (void)request;
    subscribe_basic();
}

static void trigger(const cre_request *request) {
    (void)request;
    cre_switch(MODE_DON);
    uint64_t seconds = cre_now() / 1000000000;
    uint64_t of_day = seconds % 86400;
    /* Days to a civil date, counted in years that begin in March, so that the leap day is a year's last. */
    uint64_t days = seconds / 86400 + 719468;
    uint64_t era = days / 146097;
    uint64_t of_era = days % 146097;
    uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t march_month = (5 * of_year + 2) / 153;
    uint64_t day = of_year - (153 * march_month + 2) / 5 + 1;
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    uint64_t year = year_of_era + era * 400 + (month <= 2);

    const uint64_t parts[] = {year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60};
    const char behind[] = "--T::Z";
    pb_writer text = cre_writer(64);
    for (int i = 0; i < 6; i++) {
        text_put_padded(&text, parts[i], i == 0 ? 4 : 2);
        pb_put(&text, (uint8_t)behind[i]);
    }
    cre_send_string(pb_written(&text));
}
