#include "CCurl.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Numbers of libcurl's binary interface (libcurl.so.4), which do not change.
enum {
    OPTION_WRITEDATA = 10001, OPTION_URL = 10002, OPTION_ERRORBUFFER = 10010, OPTION_POSTFIELDS = 10015,
    OPTION_USERAGENT = 10018, OPTION_HTTPHEADER = 10023, OPTION_HEADERDATA = 10029, OPTION_CUSTOMREQUEST = 10036,
    OPTION_POSTFIELDSIZE = 60, OPTION_CAINFO = 10065, OPTION_NOSIGNAL = 99, OPTION_TIMEOUT_MS = 155,
    OPTION_CONNECTTIMEOUT_MS = 156, OPTION_PROTOCOLS = 181, OPTION_WRITEFUNCTION = 20011,
    OPTION_HEADERFUNCTION = 20079, INFO_RESPONSE_CODE = 0x200002, PROTOCOL_HTTP = 1, PROTOCOL_HTTPS = 2,
    GLOBAL_DEFAULT = 3,
};

static struct {
    int (*global_init)(long);
    void *(*easy_init)(void);
    int (*setopt)(void *, int, ...);
    int (*perform)(void *);
    int (*getinfo)(void *, int, ...);
    void (*cleanup)(void *);
    const char *(*error)(int);
    void *(*append)(void *, const char *);
    void (*free_all)(void *);
    int usable;
} curl;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    *(void **)&curl.global_init = dlsym(library, "curl_global_init");
    *(void **)&curl.easy_init = dlsym(library, "curl_easy_init");
    *(void **)&curl.setopt = dlsym(library, "curl_easy_setopt");
    *(void **)&curl.perform = dlsym(library, "curl_easy_perform");
    *(void **)&curl.getinfo = dlsym(library, "curl_easy_getinfo");
    *(void **)&curl.cleanup = dlsym(library, "curl_easy_cleanup");
    *(void **)&curl.error = dlsym(library, "curl_easy_strerror");
    *(void **)&curl.append = dlsym(library, "curl_slist_append");
    *(void **)&curl.free_all = dlsym(library, "curl_slist_free_all");
    curl.usable = curl.global_init && curl.easy_init && curl.setopt && curl.perform && curl.getinfo && curl.cleanup
        && curl.error && curl.append && curl.free_all && curl.global_init(GLOBAL_DEFAULT) == 0;
}

typedef struct { char **bytes; size_t *size; size_t most; } sink;

static size_t take(char *bytes, size_t size, size_t count, void *context) {
    sink *to = context;
    size_t more = size * count;
    if (more > to->most - *to->size) return 0;
    char *grown = realloc(*to->bytes, *to->size + more + 1);
    if (!grown) return 0;
    memcpy(grown + *to->size, bytes, more);
    *to->bytes = grown;
    *to->size += more;
    grown[*to->size] = 0;
    return more;
}

void ccurl_send(const ccurl_request *request, ccurl_answer *answer) {
    memset(answer, 0, sizeof *answer);
    answer->failed = 1;
    pthread_once(&once, open_library);
    if (!curl.usable) {
        snprintf(answer->problem, sizeof answer->problem, "libcurl.so.4 cannot be loaded: apt-get install libcurl4");
        return;
    }
    void *easy = curl.easy_init();
    void *headers = NULL;
    for (const char *const *header = request->headers; *header; header++) headers = curl.append(headers, *header);
    if (!easy || (*request->headers && !headers)) {
        snprintf(answer->problem, sizeof answer->problem, "no memory for a request");
        if (headers) curl.free_all(headers);
        if (easy) curl.cleanup(easy);
        return;
    }
    char problem[256] = "";
    sink body = {&answer->body, &answer->body_size, request->answer_max};
    sink head = {&answer->headers, &answer->headers_size, 256 << 10};
    curl.setopt(easy, OPTION_ERRORBUFFER, problem);
    curl.setopt(easy, OPTION_URL, request->url);
    curl.setopt(easy, OPTION_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
    curl.setopt(easy, OPTION_HTTPHEADER, headers);
    curl.setopt(easy, OPTION_USERAGENT, "sheaf");
    if (request->body) {
        curl.setopt(easy, OPTION_POSTFIELDSIZE, (long)request->body_size);
        curl.setopt(easy, OPTION_POSTFIELDS, request->body);
    }
    curl.setopt(easy, OPTION_CUSTOMREQUEST, request->method);
    curl.setopt(easy, OPTION_NOSIGNAL, 1L);
    curl.setopt(easy, OPTION_CONNECTTIMEOUT_MS, request->connect_timeout_ms);
    curl.setopt(easy, OPTION_TIMEOUT_MS, request->timeout_ms);
    curl.setopt(easy, OPTION_WRITEFUNCTION, take);
    curl.setopt(easy, OPTION_WRITEDATA, &body);
    curl.setopt(easy, OPTION_HEADERFUNCTION, take);
    curl.setopt(easy, OPTION_HEADERDATA, &head);
    if (request->authorities) curl.setopt(easy, OPTION_CAINFO, request->authorities);
    int code = curl.perform(easy);
    if (code == 0) {
        curl.getinfo(easy, INFO_RESPONSE_CODE, &answer->status);
        answer->failed = 0;
    } else {
        snprintf(answer->problem, sizeof answer->problem, "%s", problem[0] ? problem : curl.error(code));
    }
    curl.free_all(headers);
    curl.cleanup(easy);
}

void ccurl_free(ccurl_answer *answer) {
    free(answer->headers);
    free(answer->body);
    memset(answer, 0, sizeof *answer);
}
