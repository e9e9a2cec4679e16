// The door to OpenSSL 3. The inline functions stand for macros, variadic functions and unions that Swift cannot see.
#pragma once
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

// TLS 1.3 alone, no tickets, no early data, no session cache, idle connections hold no buffers. 1 when all of it took.
static inline int COpenSSL_harden(SSL_CTX *context) {
    (void)SSL_CTX_set_options(
        context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // One read takes several records: half the system calls on a bulk stream.
    (void)SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 66 << 10);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1
        && SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1
        && SSL_CTX_set_num_tickets(context, 0) == 1
        && SSL_CTX_set_max_early_data(context, 0) == 1
        && SSL_CTX_set_ciphersuites(
               context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1
        && SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1;
}

static inline int COpenSSL_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

// A new key on the curve P-256; NULL on failure.
static inline EVP_PKEY *COpenSSL_make_p256_key(void) { return EVP_EC_gen("P-256"); }

static inline int COpenSSL_stack_count(const STACK_OF(X509) *stack) { return stack ? sk_X509_num(stack) : 0; }
static inline X509 *COpenSSL_stack_certificate(const STACK_OF(X509) *stack, int index) {
    return sk_X509_value(stack, index);
}

// The bytes that a memory BIO holds, valid as long as it is.
static inline long COpenSSL_memory_bytes(BIO *memory, char **bytes) { return BIO_get_mem_data(memory, bytes); }

// The general name's text when it is a URI (`want_uri`) or a DNS name, else NULL.
static inline const unsigned char *COpenSSL_name_text(
    const GENERAL_NAMES *names, int index, int want_uri, int *length) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (!name || name->type != (want_uri ? GEN_URI : GEN_DNS)) return NULL;
    *length = ASN1_STRING_length(name->d.ia5);
    return ASN1_STRING_get0_data(name->d.ia5);
}
static inline int COpenSSL_name_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

// The subject alternative names; NULL where there are none, or more than one list of them.
static inline GENERAL_NAMES *COpenSSL_alternative_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

static inline void COpenSSL_free(void *memory) { OPENSSL_free(memory); }

// Adds an extension in the words of x509v3_config(5). 1 on success.
static inline int COpenSSL_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension) return 0;
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

// PEM that needs a password is refused; OpenSSL's own way would ask on the terminal.
static inline int COpenSSL_no_password(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}
static inline X509 *COpenSSL_read_certificate(BIO *memory) {
    return PEM_read_bio_X509(memory, NULL, COpenSSL_no_password, NULL);
}
static inline EVP_PKEY *COpenSSL_read_private_key(BIO *memory) {
    return PEM_read_bio_PrivateKey(memory, NULL, COpenSSL_no_password, NULL);
}

// Seconds since 1970. 1 on success.
static inline int COpenSSL_unix_seconds(const ASN1_TIME *time, int64_t *seconds) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, rest = 0;
    int done = epoch && time && ASN1_TIME_diff(&days, &rest, epoch, time);
    *seconds = (int64_t)days * 86400 + rest;
    ASN1_TIME_free(epoch);
    return done;
}
