// The door to libcurl, which is opened when it is first needed: nothing links it, and a command that sends nothing does
// not pay for loading it.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *method;
    const char *url;
    // `Name: value`, ended by NULL.
    const char *const *headers;
    const void *body;
    size_t body_size;
    long connect_timeout_ms;
    long timeout_ms;
    // Of the body that comes back; more ends the transfer with an error.
    size_t answer_max;
    // A file of authorities in PEM; NULL: the system's.
    const char *authorities;
} ccurl_request;

typedef struct {
    // 0 when there was an answer; `problem` says why not.
    int failed;
    long status;
    // Each header on a line of its own, of the last answer. Freed by `ccurl_free`.
    char *headers;
    size_t headers_size;
    char *body;
    size_t body_size;
    char problem[256];
} ccurl_answer;

// Sends one request and waits for its answer. Follows no redirection, speaks HTTP and HTTPS alone, keeps nothing.
void ccurl_send(const ccurl_request *request, ccurl_answer *answer);
void ccurl_free(ccurl_answer *answer);

#ifdef __cplusplus
}
#endif
