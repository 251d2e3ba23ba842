/* Answers what the trigger brought: the input of an HTTP trigger, or the whole payload message of any other.
 *
 * It is written against the C library, as most guests are: `main`, the library's own start code, stdio that goes
 * nowhere. Benchmarks use it as the typical small guest.
 */
#define CRE_LIBC
#include "cre.h"

#include <stdio.h>

int main(int argc, char **argv) {
    cre_request request;
    env_version_v2();
    cre_receive(&request);
    if (request.kind == CRE_SUBSCRIBE) {
        cre_subscribe_http();
        return 0;
    }
    bool http = pb_equal(request.payload_type, HTTP_PAYLOAD);
    pb_bytes input = http ? pb_find_bytes(request.payload, 1) : request.payload;
    printf("%s was given %d arguments and %zu bytes\n", argv[0], argc, input.len);
    cre_send_bytes(input);
    return 0;
}
