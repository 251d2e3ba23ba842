/* The WASI surface as a guest sees it. The answer is one line per call: what, and its errno. */
#include "calls.h"
#include "text.h"

#define WASI(name) CRE_IMPORT("wasi_snapshot_preview1", name)
WASI("environ_sizes_get") int32_t wasi_environ_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("environ_get") int32_t wasi_environ_get(void *environ, void *buffer);
WASI("clock_time_get") int32_t wasi_clock_time_get(int32_t id, int64_t precision, uint64_t *out);
WASI("clock_res_get") int32_t wasi_clock_res_get(int32_t id, uint64_t *out);
WASI("random_get") int32_t wasi_random_get(void *ptr, int32_t len);
WASI("sched_yield") int32_t wasi_sched_yield(void);
WASI("proc_raise") int32_t wasi_proc_raise(int32_t signal);
WASI("fd_write") int32_t wasi_fd_write(int32_t fd, const void *iovs, int32_t count, uint32_t *written);
WASI("fd_read") int32_t wasi_fd_read(int32_t fd, const void *iovs, int32_t count, uint32_t *read);
WASI("fd_fdstat_get") int32_t wasi_fd_fdstat_get(int32_t fd, void *out);
WASI("fd_fdstat_set_flags") int32_t wasi_fd_fdstat_set_flags(int32_t fd, int32_t flags);
WASI("fd_filestat_get") int32_t wasi_fd_filestat_get(int32_t fd, void *out);
WASI("fd_seek") int32_t wasi_fd_seek(int32_t fd, int64_t offset, int32_t whence, void *out);
WASI("fd_tell") int32_t wasi_fd_tell(int32_t fd, void *out);
WASI("fd_pread") int32_t wasi_fd_pread(int32_t fd, const void *iovs, int32_t count, int64_t offset, uint32_t *read);
WASI("fd_pwrite") int32_t wasi_fd_pwrite(int32_t fd, const void *iovs, int32_t count, int64_t offset, uint32_t *written);
WASI("fd_prestat_get") int32_t wasi_fd_prestat_get(int32_t fd, void *out);
WASI("fd_prestat_dir_name") int32_t wasi_fd_prestat_dir_name(int32_t fd, void *path, int32_t len);
WASI("fd_readdir") int32_t wasi_fd_readdir(int32_t fd, void *buffer, int32_t len, int64_t cookie, void *used);
WASI("fd_sync") int32_t wasi_fd_sync(int32_t fd);
WASI("fd_close") int32_t wasi_fd_close(int32_t fd);
WASI("path_open")
int32_t wasi_path_open(int32_t fd, int32_t look, const void *path, int32_t len, int32_t flags, int64_t rights, int64_t inherit, int32_t fdflags, void *out);
WASI("path_create_directory") int32_t wasi_path_create_directory(int32_t fd, const void *path, int32_t len);
WASI("path_unlink_file") int32_t wasi_path_unlink_file(int32_t fd, const void *path, int32_t len);
WASI("sock_accept") int32_t wasi_sock_accept(int32_t fd, int32_t flags, void *out);
WASI("sock_shutdown") int32_t wasi_sock_shutdown(int32_t fd, int32_t how);
WASI("poll_oneoff") int32_t wasi_poll_oneoff(const void *in, void *out, int32_t count, uint32_t *happened);

static pb_writer answer;
static uint8_t area[256];

static void line(pb_bytes what, uint64_t result) {
    pb_put_bytes(&answer, what);
    pb_put(&answer, '=');
    text_put_decimal(&answer, result);
    pb_put(&answer, '\n');
}

#define LINE(what, result) line(PB_TEXT(what), (uint64_t)(uint32_t)(result))

static void clocks(void) {
    uint64_t time = 0;
    LINE("realtime", wasi_clock_time_get(0, 1, &time));
    LINE("realtime is of this century", time > 946684800000000000);
    LINE("monotonic", wasi_clock_time_get(1, 1, &time));
    LINE("monotonic starts above 0", time > 0);
    LINE("monotonic starts small", time < 3600000000000);
    LINE("cpu time", wasi_clock_time_get(2, 1, &time));
    LINE("resolution", wasi_clock_res_get(0, &time));
    line(PB_TEXT("resolution is"), time);
}

static void polls(void) {
    static uint8_t in[4 * 48];
    static uint8_t out[4 * 32];
    uint32_t happened = 0;
    const uint8_t tags[] = {0, 0, 1, 9};
    for (int i = 0; i < 4; i++) in[48 * i] = (uint8_t)(65 + i);
    for (int i = 0; i < 4; i++) in[48 * i + 8] = tags[i];
    in[24] = 1;      /* one nanosecond, relative */
    in[48 + 40] = 1; /* absolute */
    LINE("poll", wasi_poll_oneoff(in, out, 4, &happened));
    LINE("poll events", happened);
    LINE("poll relative", out[8]);
    LINE("poll absolute", out[32 + 8]);
    LINE("poll read", out[64 + 8]);
    LINE("poll other", out[96 + 8]);
    LINE("poll other type", out[96 + 10]);
    LINE("poll userdata", out[96]);
    LINE("poll 129", wasi_poll_oneoff(in, out, 129, &happened));
}

static void files(void) {
    struct {
        const void *ptr;
        size_t len;
    } vector = {"hidden", 6};
    uint32_t count = 0;
    LINE("write 1", wasi_fd_write(1, &vector, 1, &count));
    LINE("write 1 bytes", count);
    LINE("write 2", wasi_fd_write(2, &vector, 1, &count));
    LINE("write 0", wasi_fd_write(0, &vector, 1, &count));
    LINE("write 3", wasi_fd_write(3, &vector, 1, &count));
    LINE("read 0", wasi_fd_read(0, &(struct { void *ptr; size_t len; }){area, 8}, 1, &count));
    LINE("read 0 bytes", count);
    LINE("read 1", wasi_fd_read(1, &vector, 0, &count));
    LINE("fdstat 0", wasi_fd_fdstat_get(0, area));
    LINE("fdstat 0 rights", area[8]);
    LINE("fdstat 1", wasi_fd_fdstat_get(1, area));
    LINE("fdstat 1 rights", area[8]);
    LINE("fdstat 3", wasi_fd_fdstat_get(3, area));
    LINE("filestat 1", wasi_fd_filestat_get(1, area));
    LINE("filestat 3", wasi_fd_filestat_get(3, area));
    LINE("seek 1", wasi_fd_seek(1, 0, 0, area));
    LINE("seek 3", wasi_fd_seek(3, 0, 0, area));
    LINE("tell 0", wasi_fd_tell(0, area));
    LINE("pread 0", wasi_fd_pread(0, &vector, 0, 0, &count));
    LINE("pwrite 1", wasi_fd_pwrite(1, &vector, 1, 0, &count));
    LINE("prestat 3", wasi_fd_prestat_get(3, area));
    LINE("prestat 0", wasi_fd_prestat_get(0, area));
    LINE("prestat name 0", wasi_fd_prestat_dir_name(0, area, 1));
    LINE("prestat name 3", wasi_fd_prestat_dir_name(3, area, 1));
    LINE("readdir 3", wasi_fd_readdir(3, area, 8, 0, &count));
    LINE("sync 1", wasi_fd_sync(1));
    LINE("open", wasi_path_open(3, 0, "/etc/passwd", 11, 0, 2, 2, 0, area));
    LINE("mkdir", wasi_path_create_directory(3, "x", 1));
    LINE("unlink", wasi_path_unlink_file(3, "x", 1));
    LINE("sock_accept 0", wasi_sock_accept(0, 0, area));
    LINE("sock_accept 3", wasi_sock_accept(3, 0, area));
    LINE("sock_shutdown 1", wasi_sock_shutdown(1, 1));
    LINE("close 1", wasi_fd_close(1));
    LINE("close 1 again", wasi_fd_close(1));
    LINE("close 3", wasi_fd_close(3));
}

static void subscribe(const cre_request *request) {
    (void)request;
    cre_subscribe_http();
}

static void trigger(const cre_request *request) {
    (void)request;
    uint32_t count = 9;
    uint32_t bytes = 9;
    answer = cre_writer(8192);
    LINE("environ sizes", wasi_environ_sizes_get(&count, &bytes));
    LINE("environ count", count);
    LINE("environ bytes", bytes);
    LINE("environ", wasi_environ_get(area, area));
    LINE("yield", wasi_sched_yield());
    LINE("raise", wasi_proc_raise(1));
    LINE("random", wasi_random_get(area, 64));
    uint32_t other_than_zero = 0;
    for (int i = 0; i < 64; i++) other_than_zero += area[i] != 0;
    LINE("random is random", other_than_zero > 32);
    clocks();
    polls();
    files();
    cre_send_string(pb_written(&answer));
}
