/* The other side of bench/workspace_sealing.py in C: libsodium seals and opens a workspace value of format 1.
 * Its library is named on the command line and loaded, so no header of it is needed. Asked with lines on its standard
 * input, it answers each with a line of JSON. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADER = 2, NONCE = 24, TAG = 16 };

typedef unsigned long long u64;
typedef unsigned char u8;

static int (*seal)(u8 *, u64 *, const u8 *, u64, const u8 *, u64, const u8 *, const u8 *, const u8 *);
static int (*open_)(u8 *, u64 *, u8 *, const u8 *, u64, const u8 *, u64, const u8 *, const u8 *);
static void (*random_bytes)(void *, size_t);

static u8 key[32];
static const u8 aad[] = {'t', 'a', 'b', '-', '1'};

static void *needed(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) { fprintf(stderr, "no %s\n", name); exit(2); }
    return found;
}

/* What an owner of the value gets is memory of its own each time, here as in the other languages. */
static u8 *sealed(const u8 *plaintext, u64 size, u64 *total) {
    u64 written;
    u8 *blob = malloc(HEADER + NONCE + size + TAG);
    blob[0] = 1;
    blob[1] = 1;
    random_bytes(blob + HEADER, NONCE);
    seal(blob + HEADER + NONCE, &written, plaintext, size, aad, sizeof aad, NULL, blob + HEADER, key);
    *total = HEADER + NONCE + written;
    return blob;
}

static u8 *opened(const u8 *blob, u64 total, u64 *size) {
    u8 *plaintext = malloc(total);
    u64 rest = total - HEADER - NONCE;
    if (open_(plaintext, size, NULL, blob + HEADER + NONCE, rest, aad, sizeof aad, blob + HEADER, key)) exit(3);
    return plaintext;
}

static double now_s(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    void *library = count > 1 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (!library) { fprintf(stderr, "no libsodium\n"); return 2; }
    if (((int (*)(void))needed(library, "sodium_init"))() < 0) return 2;
    seal = needed(library, "crypto_aead_xchacha20poly1305_ietf_encrypt");
    open_ = needed(library, "crypto_aead_xchacha20poly1305_ietf_decrypt");
    random_bytes = needed(library, "randombytes_buf");
    memset(key, 0x11, sizeof key);
    printf("\"libsodium %s in C\"\n", ((const char *(*)(void))needed(library, "sodium_version_string"))());
    fflush(stdout);
    static char line[65536];
    while (fgets(line, sizeof line, stdin)) {
        u64 total, size;
        if (!strncmp(line, "open ", 5)) {
            static u8 blob[32768];
            total = strcspn(line + 5, "\n") / 2;
            for (u64 i = 0; i < total; i++) sscanf(line + 5 + 2 * i, "%2hhx", blob + i);
            free(opened(blob, total, &size));
            printf("%llu\n", size);
        } else {
            int rounds;
            if (sscanf(line, "time %llu %d", &size, &rounds) != 2) return 4;
            u8 *plaintext = malloc(size);
            memset(plaintext, 'a', size);
            double began = now_s();
            for (int i = 0; i < rounds; i++) {
                u64 length;
                u8 *blob = sealed(plaintext, size, &total);
                free(opened(blob, total, &length));
                free(blob);
            }
            printf("%.9e\n", (now_s() - began) / rounds);
            free(plaintext);
        }
        fflush(stdout);
    }
    return 0;
}
