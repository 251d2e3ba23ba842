/* Reacts to notes in an encrypted workspace: whenever a row of `notes:notes` changes, it counts the rows and writes the
 * number to the key `count`, with the id of the note that changed. Its own write is no row, so it does not start itself.
 *
 * The host's operator says which workflow may do that: plugins.yaml beside this file.
 */
#include "calls.h"
#include "json.h"
#include "text.h"

#define WORKSPACE PB_TEXT("workspace@1.0.0")
#define MESSAGE(name) PB_TEXT("type.googleapis.com/strongroom.workspace.v1." name)
#define MOUNT PB_TEXT("notes")
#define TABLE PB_TEXT("notes")

enum { READ = 0, LIST = 1, WRITE = 2, ANSWER_BYTES_MAX = 262144, TITLE_BYTES_MAX = 4096, KEY_BYTES_MAX = 512 };

static void subscribe(const cre_request *request) {
    (void)request;
    pb_writer config = cre_writer(64);
    pb_bytes_field(&config, 1, MOUNT);
    pb_bytes_field(&config, 2, TABLE);
    pb_writer w = cre_writer(256);
    size_t list = pb_open(&w, 3);
    size_t subscription = pb_open(&w, 1);
    pb_bytes_field(&w, 1, WORKSPACE);
    size_t any = pb_open(&w, 2);
    pb_bytes_field(&w, 1, MESSAGE("WatchConfig"));
    pb_bytes_field(&w, 2, pb_written(&config));
    pb_close(&w, any);
    pb_bytes_field(&w, 3, PB_TEXT("Watch"));
    pb_close(&w, subscription);
    pb_close(&w, list);
    cre_send(&w);
}

/* How many messages a repeated field of `message` has. */
static uint64_t count(pb_bytes message, uint32_t number) {
    uint64_t found = 0;
    pb_reader reader = pb_read(message);
    pb_field field;
    while (pb_next(&reader, &field)) found += field.number == number;
    return found;
}

/* Text in a JSON string: what would end it is left out. */
static void put_text(pb_writer *w, pb_bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c >= ' ' && c != '"' && c != '\\') pb_put(w, c);
    }
}

static void trigger(const cre_request *request) {
    cre_switch(MODE_DON);
    pb_bytes key = pb_find_bytes(request->payload, 3);    /* Changed.key */
    pb_bytes action = pb_find_bytes(request->payload, 4); /* Changed.action */
    if (key.len > KEY_BYTES_MAX) cre_fail(PB_TEXT("the id of the note is too long"));

    /* The row as it is by now, and all rows: both are under way at once. */
    pb_writer read = cre_writer(KEY_BYTES_MAX + 64);
    pb_bytes_field(&read, 1, MOUNT);
    pb_bytes_field(&read, 2, TABLE);
    pb_bytes_field(&read, 3, key);
    cre_call(READ, WORKSPACE, PB_TEXT("Get"), MESSAGE("GetRequest"), pb_written(&read));
    pb_writer list = cre_writer(64);
    pb_bytes_field(&list, 1, MOUNT);
    pb_bytes_field(&list, 2, TABLE);
    pb_uint(&list, 4, 1000);
    pb_uint(&list, 6, 1); /* keys only */
    cre_call(LIST, WORKSPACE, PB_TEXT("List"), MESSAGE("ListRequest"), pb_written(&list));

    pb_writer title = cre_writer(TITLE_BYTES_MAX);
    pb_bytes row = pb_find_bytes(cre_await_payload(READ, ANSWER_BYTES_MAX), 2);
    if (!json_string(row, PB_TEXT("title"), &title)) title = cre_writer(1);
    uint64_t rows = count(cre_await_payload(LIST, ANSWER_BYTES_MAX), 1);

    pb_writer value = cre_writer(KEY_BYTES_MAX + TITLE_BYTES_MAX + 256);
    pb_put_bytes(&value, PB_TEXT("{\"notes\":"));
    text_put_decimal(&value, rows);
    pb_put_bytes(&value, PB_TEXT(",\"last\":\""));
    put_text(&value, key);
    pb_put_bytes(&value, PB_TEXT("\",\"action\":\""));
    put_text(&value, action);
    pb_put_bytes(&value, PB_TEXT("\",\"title\":\""));
    put_text(&value, pb_written(&title));
    pb_put_bytes(&value, PB_TEXT("\"}"));

    pb_writer write = cre_writer(value.len + 128);
    pb_bytes_field(&write, 1, MOUNT);
    pb_bytes_field(&write, 3, PB_TEXT("count"));
    pb_bytes_field(&write, 4, pb_written(&value));
    cre_call(WRITE, WORKSPACE, PB_TEXT("Set"), MESSAGE("SetRequest"), pb_written(&write));
    cre_await_payload(WRITE, ANSWER_BYTES_MAX);
    cre_send_string(pb_written(&value));
}
